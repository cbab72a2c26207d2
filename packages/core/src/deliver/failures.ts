import type { JsonObject, JsonValue } from "../contract/json.ts";
import { cut } from "../errors/quoted.ts";
import { isError, itemsOf, memberOf, messageOf } from "../errors/thrown.ts";

/** What is kept of a failed run. */
export interface RecordedFailure extends JsonObject {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** The error's own code, such as `ECONNREFUSED`. */
  readonly code?: string | undefined;
  /** The errors that it holds, and its causes, as one text. */
  readonly cause?: string | undefined;
}

/** The bus's own record of a delivery: travels in the `state` of a settlement. */
export interface DeliveryState extends JsonObject {
  /** Runs that failed or timed out. */
  readonly runs: number;
  /** The failures, the oldest first: the first one and the latest of them. */
  readonly errors: readonly RecordedFailure[];
}

/** The state of a delivery that has not failed. */
export const NO_FAILURES: DeliveryState = { runs: 0, errors: [] };

/** The state that a provider brings back, which somebody may have changed: then nothing is known. */
export function stateOf(state: JsonValue | undefined): DeliveryState {
  const { runs, errors } = (state ?? {}) as Partial<DeliveryState>;
  const isOurs = typeof runs === "number" && Array.isArray(errors) && errors.every(isFailure);
  return isOurs ? (state as DeliveryState) : NO_FAILURES;
}

function isFailure(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Keeps a delivery with thousands of attempts from growing without bound. */
const KEPT_ERRORS = 20;
/** UTF-8 bytes of JSON for all errors of a delivery, which each of its retries carries. */
const KEPT_BYTES = 8_192;
/** Of these, for the parts of one error: 3 650 in all, so that the first and the latest always fit. */
const KEPT_NAME_BYTES = 100;
const KEPT_MESSAGE_BYTES = 1_000;
const KEPT_STACK_BYTES = 1_800;
const KEPT_CAUSE_BYTES = 600;
/** Of the stack, for the lines that repeat the message. */
const KEPT_TITLE_BYTES = 200;

const KEPT_CAUSES = 5;

/** The state after one more failed run. */
export function withFailure(state: DeliveryState, failure: RecordedFailure): DeliveryState {
  const errors = [...state.errors, failure];
  if (errors.length > KEPT_ERRORS) errors.splice(1, errors.length - KEPT_ERRORS);
  return { runs: state.runs + 1, errors: withinBytes(errors) };
}

/** Records what a handler threw, whatever it is. */
export function recordFailure(thrown: unknown, at: number): RecordedFailure {
  const message = cutToBytes(messageOf(thrown), KEPT_MESSAGE_BYTES);
  if (!isError(thrown)) return { at, name: "NonError", message };
  const code = memberOf(thrown, "code");
  const cause = causesOf(thrown);
  return {
    at,
    name: nameOf(thrown),
    message,
    stack: stackOf(thrown),
    code:
      typeof code === "string" || typeof code === "number"
        ? cutToBytes(String(code), KEPT_NAME_BYTES)
        : undefined,
    ...(cause !== undefined && { cause }),
  };
}

function nameOf(error: unknown): string {
  const name = memberOf(error, "name");
  return typeof name === "string" ? cutToBytes(name, KEPT_NAME_BYTES) : "Error";
}

/** Where it was thrown says more than the message once more, however long that is. */
function stackOf(error: unknown): string | undefined {
  const stack = memberOf(error, "stack");
  // Error.prepareStackTrace may make anything of it.
  if (typeof stack !== "string") return undefined;
  const frames = stack.indexOf("\n    at ");
  if (frames === -1) return cutToBytes(stack, KEPT_STACK_BYTES);
  const title = cutToBytes(stack.slice(0, frames), KEPT_TITLE_BYTES);
  return title + cutToBytes(stack.slice(frames), KEPT_STACK_BYTES - KEPT_TITLE_BYTES);
}

/** `Error: a; Error: b`: the errors that an AggregateError holds, and then the causes. */
function causesOf(thrown: unknown): string | undefined {
  const texts = itemsOf(memberOf(thrown, "errors"), KEPT_CAUSES).map(titleOf);
  const seen = new Set([thrown]);
  let cause = memberOf(thrown, "cause");
  while (cause !== undefined && cause !== null && !seen.has(cause) && seen.size <= KEPT_CAUSES) {
    seen.add(cause);
    texts.push(titleOf(cause));
    cause = memberOf(cause, "cause");
  }
  return texts.length > 0 ? cutToBytes(texts.join("; "), KEPT_CAUSE_BYTES) : undefined;
}

function titleOf(thrown: unknown): string {
  return isError(thrown) ? `${nameOf(thrown)}: ${messageOf(thrown)}` : messageOf(thrown);
}

/** Lets the errors between the first and the latest go, piece by piece, until all fit. */
function withinBytes(errors: readonly RecordedFailure[]): readonly RecordedFailure[] {
  const kept = [...errors];
  const sizes = kept.map(sizeOf);
  let total = sizes.reduce((sum, size) => sum + size, 0);
  for (let index = 1; index < kept.length - 1 && total > KEPT_BYTES; index += 1) {
    const { at, name, message, code } = kept[index] as RecordedFailure;
    const small = { at, name, message, code };
    total += sizeOf(small) - (sizes[index] as number);
    kept[index] = small;
    sizes[index] = sizeOf(small);
  }
  while (kept.length > 2 && total > KEPT_BYTES) {
    total -= sizes.splice(1, 1)[0] as number;
    kept.splice(1, 1);
  }
  return kept;
}

/** UTF-8 bytes as JSON, with a comma. */
function sizeOf(value: JsonObject | string): number {
  return Buffer.byteLength(JSON.stringify(value)) + 1;
}

/** The start of a text that has at most that many bytes as JSON, and is well-formed. */
function cutToBytes(text: string, bytes: number): string {
  let kept = cut(text, bytes).toWellFormed();
  // Most characters take one byte; others, and those that JSON escapes, up to six.
  for (let characters = bytes; sizeOf(kept) > bytes && characters > 1;) {
    characters = Math.floor(Math.min(characters - 1, (characters * bytes) / sizeOf(kept)));
    kept = cut(text, characters).toWellFormed();
  }
  return kept;
}

/**
 * Makes the state of a delivery that a provider cannot read, for a dead letter that says why. For provider
 * authors.
 *
 * @param problem What is the matter, without anything of what could not be read.
 * @param at Milliseconds since the epoch.
 */
export function stateOfCorrupt(problem: string, at: number): JsonValue {
  const state: DeliveryState = {
    runs: 0,
    errors: [{ at, name: "CorruptDelivery", message: problem }],
  };
  return state;
}

/**
 * Makes the smallest state that counts as much as another: without the texts of its errors. For provider
 * authors whose broker refuses a settlement for its size.
 */
export function withoutErrorTexts(state: JsonValue): JsonValue {
  const { runs, errors } = stateOf(state);
  const last = errors.at(-1);
  const kept = last
    ? [{ at: last.at, name: "Error", message: "The text was too large to keep" }]
    : [];
  const small: DeliveryState = { runs, errors: kept };
  return small;
}
