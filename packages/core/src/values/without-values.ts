/** Values of a payload that are looked for in a text. */
const MOST_VALUES = 10_000;
const MOST_LEVELS = 500;
/** Shorter text is part of many words, and is looked for between quotes only. */
const SHORT_CHARACTERS = 4;

/**
 * Takes the values of some data out of a text about that data, such as a message of a schema: `received
 * "4111…"` becomes `received …`. Names of members stay.
 */
export function withoutValues(text: string, data: unknown): string {
  const values = new Set<string>();
  collect(data, values, 0);
  // The longest first: a shorter one may be part of it, and would leave the rest.
  const found = [...values]
    .filter((value) => text.includes(value))
    .toSorted((a, b) => b.length - a.length);
  let result = text;
  for (const value of found) result = without(result, value);
  return result;
}

function without(text: string, value: string): string {
  const between = text
    .replaceAll(`"${value}"`, () => "…")
    .replaceAll(`'${value}'`, () => "…")
    .replaceAll(`\`${value}\``, () => "…");
  if (value.length >= SHORT_CHARACTERS) return between.replaceAll(value, () => "…");
  const escaped = value.replaceAll(/[^\p{L}\p{N}]/gu, (character) => `\\${character}`);
  return between.replaceAll(
    new RegExp(`\\b(received|got|was)\\s+${escaped}(?![\\w.])`, "g"),
    "$1 …",
  );
}

/** Text and numbers, as they are and as JSON writes them. */
function collect(value: unknown, values: Set<string>, level: number): void {
  if (values.size >= MOST_VALUES || level > MOST_LEVELS) return;
  if (typeof value === "string" && value !== "") {
    values.add(value);
    values.add(JSON.stringify(value).slice(1, -1));
  }
  if (typeof value === "number" || typeof value === "bigint") values.add(String(value));
  if (typeof value !== "object" || value === null) return;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  for (const member of members) {
    if (values.size >= MOST_VALUES) return;
    collect(member, values, level + 1);
  }
}
