/**
 * A string as a column keeps it: as it is, unless a database would refuse or cut it. Those strings are
 * kept as JSON, and so are those that look like it.
 */
export function toColumn(text: string): string {
  return text.startsWith('"') || text.includes("\0") || /\p{Surrogate}/u.test(text)
    ? JSON.stringify(text)
    : text;
}

/** What {@link toColumn} kept. */
export function fromColumn(column: string): string {
  return column.startsWith('"') ? (JSON.parse(column) as string) : column;
}
