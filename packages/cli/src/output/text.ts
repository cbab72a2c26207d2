import { styleText } from "node:util";

/** The styles that commands use. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Gives text a style, where the output has colours. */
export type Paint = (style: Style, text: string) => string;

/** Returns what gives text its style. Without colours, control characters are replaced only. */
export function painter(hasColours: boolean): Paint {
  return (style, text) => {
    const safe = printable(text);
    return hasColours ? styleText(style, safe, { validateStream: false }) : safe;
  };
}

/** Replaces control characters: what is stored must not steer the terminal of a reader. */
export function printable(text: string): string {
  return text.replaceAll(CONTROL, escapeOf);
}

/** Replaces control characters, but for the styles that {@link painter} gives. */
export function printableStyled(text: string): string {
  return text.replaceAll(STYLE_OR_CONTROL, (found) => (found.length > 1 ? found : escapeOf(found)));
}

/** The escape of a character, as JSON has it. */
function escapeOf(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}

/** All control characters but the line break and the tab, and those that turn the direction of text. */
const CONTROL = /[^\P{Cc}\n\t]|[\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;

/** What {@link Style} begins and ends with, or one of {@link CONTROL}. */
const STYLE_OR_CONTROL = new RegExp(`\\u001B\\[(?:[12]|22|3[12369])m|${CONTROL.source}`, "gu");

/** Cuts a text at a number of characters, and says so with an ellipsis. */
export function cutTo(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}…`;
}

/** Returns a number and its noun: `1 event`, `2 events`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
