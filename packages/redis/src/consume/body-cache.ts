import { cloneJson, type Envelope } from "@busbar/core/provider";
import { readData } from "../store/job-data.ts";

/** How much of what was read last is remembered, in characters of JSON. */
const MOST_CHARACTERS = 2_000_000;

/** Reads packs of a body by their numbers. Undefined: that is over. Null: it is not there. */
export type ReadPacks = (
  numbers: readonly number[],
) => Promise<readonly (string | null)[] | undefined>;

/** A pack as it is stored. */
export class StoredPack {
  readonly text: string;
  /** What is the matter with it, if anything. */
  readonly problem: string | undefined;
  #originals: readonly Envelope[] | undefined;

  constructor(text: string) {
    const { data, problem } = readData(text);
    this.text = text;
    this.problem = problem;
    this.#originals = data.events ?? [];
  }

  /** Its events as they were published. Nobody may change them. */
  get originals(): readonly Envelope[] {
    this.#originals ??= readData(this.text).data.events ?? [];
    return this.#originals;
  }

  /** Its events, for one that may do with them what it likes, and is the only one. */
  take(): readonly Envelope[] {
    const { originals } = this;
    this.#originals = undefined;
    return originals;
  }
}

/** The event with data of its own, which takes much less time than to parse it once more. */
export function ownEvent(original: Envelope): Envelope {
  return { ...original, data: cloneJson(original.data) };
}

/**
 * Remembers packs that several subscriptions of this process want: they are read and parsed once. What was
 * used the longest ago is forgotten first.
 */
export class BodyCache {
  readonly #stored = new Map<string, StoredPack>();
  readonly #coming = new Map<string, Promise<StoredPack | null | undefined>>();
  #characters = 0;

  /** The packs of a body, in the order of their numbers. Of the ones that are not known, `read` reads all. */
  load(
    body: string,
    numbers: readonly number[],
    read: ReadPacks,
  ): readonly Promise<StoredPack | null | undefined>[] {
    const missing = numbers.filter((number) => {
      const key = keyOf(body, number);
      return !this.#stored.has(key) && !this.#coming.has(key);
    });
    if (missing.length > 0) {
      const answer = read(missing);
      for (const [index, number] of missing.entries()) this.#expect(body, number, index, answer);
    }
    return numbers.map((number) => {
      const key = keyOf(body, number);
      const stored = this.#stored.get(key);
      if (!stored) return this.#coming.get(key) ?? Promise.resolve(undefined);
      this.#stored.delete(key);
      this.#stored.set(key, stored);
      return Promise.resolve(stored);
    });
  }

  #expect(
    body: string,
    number: number,
    index: number,
    answer: Promise<readonly (string | null)[] | undefined>,
  ): void {
    const key = keyOf(body, number);
    const coming = answer.then(
      (texts) => {
        this.#coming.delete(key);
        if (!texts) return undefined;
        const text = texts[index];
        return typeof text === "string" ? this.#remember(key, text) : null;
      },
      () => {
        this.#coming.delete(key);
        return undefined;
      },
    );
    this.#coming.set(key, coming);
  }

  #remember(key: string, text: string): StoredPack {
    const pack = new StoredPack(text);
    this.#stored.set(key, pack);
    this.#characters += text.length;
    for (const [oldest, { text: forgotten }] of this.#stored) {
      if (this.#characters <= MOST_CHARACTERS) break;
      this.#stored.delete(oldest);
      this.#characters -= forgotten.length;
    }
    return pack;
  }
}

function keyOf(body: string, number: number): string {
  return `${body}:${number}`;
}
