/** Characters of a text that a message quotes. */
const QUOTED_CHARACTERS = 200;

/**
 * A text of the user's as messages quote it: between double quotes, on one line, and cut when it is long.
 * Control characters and line separators are escaped as in JSON.
 */
export function quoted(text: string): string {
  return escapeControls(JSON.stringify(cut(text)));
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
