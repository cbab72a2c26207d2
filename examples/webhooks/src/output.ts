export function heading(text: string): void {
  console.log(`\n${text}`);
}

/** One line of what happens: who says it, and what. */
export function line(who: string, text: string): void {
  console.log(`  ${who.padEnd(10)}${text}`);
}
