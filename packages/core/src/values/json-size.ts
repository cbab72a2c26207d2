import type { JsonValue } from "../contract/json.ts";
import type { Issue } from "../contract/issue.ts";

/** UTF-8 bytes of JSON that one UTF-16 unit takes at most: a control character as an escape. */
export const BYTES_PER_UNIT = 6;
/** At most, with the comma behind it: `-1.2345678901234567e-100,`. */
export const BYTES_PER_NUMBER = 25;
/** Quotes and a comma, brackets and a comma, `false,`. */
export const BYTES_AROUND = 6;
/** The bound is at most that many times the true size: `1,` in an array counts as 31 bytes. */
const BOUND_PER_BYTE = 16;
/** A walk gives up that far above the limit: what is below it is counted, for a message with the size. */
const GIVE_UP_FACTOR = 64;

/**
 * Bounds the size of what is copied, as UTF-8 bytes of JSON. A bound costs next to nothing in the walk that
 * copies; only where it is above the limit is it worth counting.
 */
export class JsonSize {
  readonly maxBytes: number;
  /** At least as much as all that was copied has. */
  bound = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** A fresh one with the same limit. */
  again(): JsonSize {
    return new JsonSize(this.maxBytes);
  }

  /** Whether there is no need to copy, nor to count, the rest. */
  get isFarAbove(): boolean {
    return this.bound > this.maxBytes * GIVE_UP_FACTOR;
  }

  /** What was copied has no fewer bytes. */
  get atLeast(): number {
    return Math.floor(this.bound / BOUND_PER_BYTE);
  }

  /** Adds an issue when data and what comes with it have more bytes than the limit. */
  check(data: JsonValue, others: JsonValue | undefined, at: string, issues: Issue[]): void {
    if (this.bound <= this.maxBytes) return;
    const bytes = jsonBytes(data);
    if (bytes > this.maxBytes) {
      issues.push({ path: `${at}data`, reason: this.reason(bytes) });
      return;
    }
    const all = others === undefined ? bytes : bytes + jsonBytes(others);
    if (all <= this.maxBytes) return;
    issues.push({ path: `${at}metadata`, reason: `with data ${this.reason(all)}` });
  }

  reason(bytes: number, about = ""): string {
    return `has ${about}${bytes} bytes as JSON, and maxPayloadBytes is ${this.maxBytes}`;
  }
}

function jsonBytes(value: JsonValue): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    // Longer than any string can be.
    return Number.POSITIVE_INFINITY;
  }
}
