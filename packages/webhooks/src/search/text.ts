import type { JsonValue } from "@busbar/core/provider";
import { dateSpan } from "./dates.ts";
import { ANY, ONE, type PatternPart } from "./query.ts";

/** Characters of a value, and of a word, that are compared. What comes after them does not count. */
const MAX_TERM_LENGTH = 200;
/** Values of one payload that are searched, and words of all of them. A long text leaves the other values their place. */
const MAX_LEAVES = 5_000;
const MAX_WORDS = 5_000;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
/** How deep a payload is searched. */
const MAX_DEPTH = 32;
/** A number as a text: without leading zeros, and short enough to be exact. */
const DECIMAL = /^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/;

/** A value of a payload that is no object, no array and not null, as it is compared. */
export interface Leaf {
  /** The names on the way to it, with dots between them. Places in arrays do not count. */
  readonly path: string;
  /** The whole value, folded and cut. */
  readonly whole: string;
  /** The words of a text, folded and cut, in their order. */
  readonly words: readonly string[];
  /** The value of a number and of a text that is one; of a date the milliseconds since the epoch. */
  readonly number: number | null;
}

/** Returns a text as texts are compared: in lower case, with accents composed, and as every database can store it. */
export function folded(text: string): string {
  return text.normalize("NFC").toLowerCase().toWellFormed().replaceAll("\0", "\uFFFD");
}

/** Shortens a text that is folded to the part of it that is compared. */
export function cut(text: string): string {
  return text.length <= MAX_TERM_LENGTH ? text : text.slice(0, MAX_TERM_LENGTH).toWellFormed();
}

/** Returns the words of a text that is folded: letters, digits and underscores in a row. */
export function wordsOf(text: string, max: number = MAX_WORDS): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(/[\p{L}\p{M}\p{N}_]+/gu)) {
    if (words.length >= max) break;
    words.push(cut(word));
  }
  return words;
}

/** Returns a number that is written as one, or undefined. */
export function decimal(text: string): number | undefined {
  return DECIMAL.test(text) ? Number(text) : undefined;
}

/** Returns a text as a leaf. */
export function textLeaf(path: string, text: string, maxWords?: number): Leaf {
  const whole = folded(text);
  const number = decimal(text);
  // A number is one word, in spite of its point.
  if (number !== undefined) return { path, whole, words: [], number };
  if (text.length < 40) {
    const date = dateSpan(text, "day");
    // So are a date and a UUID: parts of them mean nothing, and would fill the index.
    if (date !== undefined) return { path, whole, words: [], number: date.from };
    if (UUID.test(whole)) return { path, whole, words: [], number: null };
  }
  return { path, whole: cut(whole), words: wordsOf(whole, maxWords), number: null };
}

/** Returns all values of a payload, those in arrays included, up to limits that keep huge ones from being a burden. */
export function leavesOf(payload: JsonValue, prefix = ""): Leaf[] {
  const leaves: Leaf[] = [];
  let words = 0;
  const visit = (value: JsonValue | undefined, path: string, depth: number): void => {
    if (value === null || value === undefined || leaves.length >= MAX_LEAVES) return;
    if (depth > MAX_DEPTH) return;
    if (Array.isArray(value)) {
      for (const each of value as readonly JsonValue[]) visit(each, path, depth + 1);
    } else if (typeof value === "object") {
      for (const [name, member] of Object.entries(value)) {
        visit(member, path === "" ? name : `${path}.${name}`, depth + 1);
      }
    } else {
      const known = pathKey(path);
      const leaf =
        typeof value === "string"
          ? textLeaf(known, value, MAX_WORDS - words)
          : {
              path: known,
              whole: String(value),
              words: [],
              number: typeof value === "number" ? value : null,
            };
      words += leaf.words.length;
      leaves.push(leaf);
    }
  };
  visit(payload, prefix, 0);
  return leaves;
}

/** Returns what a leaf can be found by: its value and the words of it. */
export function termsOf({ whole, words }: Leaf): ReadonlySet<string> {
  return new Set([whole, ...words]);
}

/** Returns a path as every database can store it. Case counts in it. */
export function pathKey(path: string): string {
  return cut(path.toWellFormed().replaceAll("\0", "\uFFFD"));
}

/** Whether words occur in a row among others. */
export function hasRow(words: readonly string[], row: readonly string[]): boolean {
  const [first] = row;
  if (first === undefined) return false;
  for (let at = words.indexOf(first); at !== -1; at = words.indexOf(first, at + 1)) {
    if (row.every((word, index) => words[at + index] === word)) return true;
  }
  return false;
}

/** Compares as databases do that compare bytes of UTF-8: by code points. */
export function compareTexts(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Returns a function that compares texts with a pattern. Its time grows with the product of both lengths at most. */
export function patternTest(parts: readonly PatternPart[]): (text: string) => boolean {
  const pattern = parts.flatMap((part): PatternPart[] =>
    typeof part === "string" ? Array.from(part) : [part],
  );
  return (text) => {
    const characters = Array.from(text);
    let at = 0;
    let next = 0;
    /** Where to go on when the rest does not fit: the latest `*`, and how much it stands for. */
    let star = -1;
    let resume = 0;
    while (at < characters.length) {
      const part = pattern[next];
      if (part === ANY) {
        star = next;
        resume = at;
        next += 1;
      } else if (part !== undefined && (part === ONE || part === characters[at])) {
        next += 1;
        at += 1;
      } else if (star === -1) {
        return false;
      } else {
        next = star + 1;
        resume += 1;
        at = resume;
      }
    }
    while (pattern[next] === ANY) next += 1;
    return next === pattern.length;
  };
}

/** Returns a pattern as texts are compared. */
export function foldedPattern(parts: readonly PatternPart[]): PatternPart[] {
  return parts.map((part) => (typeof part === "string" ? folded(part) : part));
}
