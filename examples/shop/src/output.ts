import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

function paint(style: Style, text: string): string {
  return process.stdout.isTTY ? styleText(style, text) : text;
}

export function heading(text: string): void {
  console.log(`\n${paint("bold", text)}`);
}

/** One line of what happens: who says it, and what. */
export function line(who: string, text: string, style: Style = "reset"): void {
  console.log(`  ${who.padEnd(14)}${paint(style, text)}`);
}

export function euros(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`;
}
