/** Returns the end of a help text: commands that a reader can copy, each with what it does. */
export function examples(lines: Readonly<Record<string, string>>): string {
  const shown = Object.entries(lines).map(([command, what]) => `  # ${what}\n  $ ${command}`);
  return `\nExamples:\n${shown.join("\n")}\n`;
}
