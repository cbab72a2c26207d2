import type { JsonValue } from "../contract/json.ts";

/** Arrays and objects within each other that are written. */
const MOST_LEVELS = 200;

/**
 * Writes a value as JSON, up to a number of characters: the time that it takes depends on that number, and not on the
 * value.
 *
 * @returns The JSON, or the beginning of it if it is longer, or nested more than 200 levels deep.
 */
export function jsonWithin(
  value: JsonValue,
  characters: number,
): { readonly text: string; readonly isWhole: boolean } {
  const writer = new BoundedWriter(characters);
  const isWhole = writer.write(value, 0);
  return { text: writer.text.slice(0, characters).toWellFormed(), isWhole };
}

class BoundedWriter {
  text = "";
  readonly #characters: number;

  constructor(characters: number) {
    this.#characters = characters;
  }

  /** Whether the value fitted. */
  write(value: JsonValue, level: number): boolean {
    if (typeof value === "string") return this.#addText(value);
    if (typeof value !== "object" || value === null) return this.#add(JSON.stringify(value));
    if (level === MOST_LEVELS) return false;
    return Array.isArray(value)
      ? this.#writeAll("[", value, "]", (item) => this.write(item, level + 1))
      : this.#writeAll("{", membersOf(value), "}", ([name, member]) => {
          return this.#addText(name) && this.#add(":") && this.write(member, level + 1);
        });
  }

  #writeAll<T>(
    open: string,
    items: Iterable<T>,
    close: string,
    write: (item: T) => boolean,
  ): boolean {
    if (!this.#add(open)) return false;
    let isFirst = true;
    for (const item of items) {
      if (!isFirst && !this.#add(",")) return false;
      isFirst = false;
      if (!write(item)) return false;
    }
    return this.#add(close);
  }

  /** A text of megabytes is not read to its end. */
  #addText(text: string): boolean {
    const left = this.#characters - this.text.length;
    if (text.length <= left) return this.#add(JSON.stringify(text));
    this.#add(JSON.stringify(text.slice(0, left)).slice(0, -1));
    return false;
  }

  #add(text: string): boolean {
    this.text += text;
    return this.text.length <= this.#characters;
  }
}

/** One after the other: `Object.entries` makes all of them. Members that JSON leaves out are left out. */
function* membersOf(value: object): Iterable<readonly [string, JsonValue]> {
  const object = value as Readonly<Record<string, JsonValue | undefined>>;
  for (const name in object) {
    const member = Object.hasOwn(object, name) ? object[name] : undefined;
    if (member !== undefined) yield [name, member];
  }
}
