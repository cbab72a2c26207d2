import { isNativeError } from "node:util/types";

import { cut } from "./quoted.ts";

/** Characters of a message that are worth reading. */
const MESSAGE_CHARACTERS = 2_000;

/*
 * Anything may be thrown: a proxy whose traps throw, an error whose members are getters that do. These
 * functions read it all the same, and never throw.
 */

/** Whether a value is an error, of this realm or of another. */
export function isError(value: unknown): value is Error {
  return isNativeError(value) || isInstance(value, Error);
}

/** As `instanceof`, which a proxy can make throw. */
export function isInstance<T>(
  value: unknown,
  type: abstract new (...args: never) => T,
): value is T {
  return safely(() => value instanceof type, false);
}

/** A member of a value, if it can be read. */
export function memberOf(value: unknown, member: string): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null)
    return undefined;
  return safely(() => (value as Record<string, unknown>)[member], undefined);
}

/** What an error says, or what a value looks like that is none: well-formed text of a bounded length. */
export function messageOf(thrown: unknown): string {
  const message = isError(thrown) ? memberOf(thrown, "message") : thrown;
  return cut(
    typeof message === "string" ? message : lookOf(message),
    MESSAGE_CHARACTERS,
  ).toWellFormed();
}

/** The items of an array, if it is one and can be read. */
export function itemsOf(value: unknown, limit: number): readonly unknown[] {
  return safely(() => (Array.isArray(value) ? value.slice(0, limit) : []), []);
}

/** What `work` returns, or `otherwise` if it throws. */
function safely<T>(work: () => T, otherwise: T): T {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

/**
 * `node:util` is not imported: an import reads every member, and so loads parts of Node that nobody uses, which takes a
 * sixth of the time that Node 24 takes to start.
 */
function lookOf(value: unknown): string {
  const options = { depth: 2, maxArrayLength: 20, maxStringLength: MESSAGE_CHARACTERS };
  const kind = safely(() => Object.prototype.toString.call(value), "something that cannot be read");
  return safely(() => process.getBuiltinModule("node:util").inspect(value, options), kind);
}
