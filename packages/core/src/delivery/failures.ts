import { inspect } from "node:util";

import type { JsonObject, JsonValue } from "../contracts/json.ts";

/** What is kept of a failed run. */
export interface RecordedFailure extends JsonObject {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** The error's own code, such as `ECONNREFUSED`. */
  readonly code?: string | undefined;
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
const KEPT_STACK_CHARACTERS = 4000;

/** The state after one more failed run. */
export function withFailure(state: DeliveryState, failure: RecordedFailure): DeliveryState {
  const errors = [...state.errors, failure];
  if (errors.length > KEPT_ERRORS) errors.splice(1, errors.length - KEPT_ERRORS);
  return { runs: state.runs + 1, errors };
}

/** Records what a handler threw, whatever it is. */
export function recordFailure(thrown: unknown, at: number): RecordedFailure {
  if (!(thrown instanceof Error)) return { at, name: "NonError", message: messageOf(thrown) };
  const { name, stack } = thrown;
  const code = "code" in thrown ? thrown.code : undefined;
  return {
    at,
    name: typeof name === "string" ? name : "Error",
    message: messageOf(thrown),
    // Error.prepareStackTrace may make anything of it.
    stack: typeof stack === "string" ? stack.slice(0, KEPT_STACK_CHARACTERS) : undefined,
    code: typeof code === "string" || typeof code === "number" ? String(code) : undefined,
  };
}

/** What a handler's error says, or what a value looks like that is none. */
export function messageOf(thrown: unknown): string {
  const message: unknown = thrown instanceof Error ? thrown.message : thrown;
  if (typeof message === "string") return message;
  try {
    return inspect(message, { depth: 2 });
  } catch {
    return Object.prototype.toString.call(message);
  }
}
