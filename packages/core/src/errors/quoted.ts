/** Characters of a text that a message quotes. */
const QUOTED_CHARACTERS = 200;

/**
 * A text of the user's as messages quote it: between double quotes, on one line, and cut when it is long.
 * Control characters and line separators are escaped as in JSON. In a program without types it may be no text.
 */
export function quoted(text: string): string {
  return escapeControls(JSON.stringify(cut(String(text))));
}

/** Issues that a message lists. */
const LISTED_ISSUES = 20;

/** Issues as messages list them, on one line: the first of them, and the number of the others. */
export function listed(issues: readonly string[]): string {
  const more = issues.length - LISTED_ISSUES;
  const first = issues.slice(0, LISTED_ISSUES).map((issue) => escapeControls(cut(issue, 500)));
  return more > 0 ? `${first.join("; ")}; and ${more} more` : first.join("; ");
}

/** A text on one line: control characters and line separators are escaped as in JSON. */
export function escapeControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) => {
    const escaped = JSON.stringify(character).slice(1, -1);
    return escaped === character
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
      : escaped;
  });
}

/** The start of a text, with an ellipsis if something follows; never half of a surrogate pair. */
export function cut(text: string, characters: number = QUOTED_CHARACTERS): string {
  if (text.length <= characters) return text;
  const last = text.charCodeAt(characters - 1);
  const isHalf = last >= 0xd8_00 && last <= 0xdb_ff;
  return `${text.slice(0, isHalf ? characters - 1 : characters)}…`;
}
