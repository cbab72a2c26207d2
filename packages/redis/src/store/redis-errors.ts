import { safeError } from "@busbar/core/provider";

/** Replies of a Redis that will not do it now, and has done nothing, but may soon. */
const FOR_THE_MOMENT =
  /^(?:OOM|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|-OOM)\b/;

/** Whether Redis answered with an error: then the command was read, and its outcome is known. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** Whether Redis answered that it will not do it for the moment. Nothing was done. */
export function isRefusal(error: unknown): error is Error {
  return isReply(error) && FOR_THE_MOMENT.test(error.message);
}

/** Whether an error is of the code, and not of the connection. */
function isMistake(error: unknown): error is Error {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError ||
    error instanceof ReferenceError
  );
}

/** Whether the same again would fail again: Redis refuses it for good, or it cannot even be sent. */
export function isLasting(error: unknown): error is Error {
  return (
    isMistake(error) || error instanceof LostWhileSent || (isReply(error) && !isRefusal(error))
  );
}

/** Whether Redis does not take an argument of that size, or so many. It has ended the connection as well. */
export function isTooLarge(error: unknown): boolean {
  return isReply(error) && /Protocol error: invalid (?:multi)?bulk length/.test(error.message);
}

/**
 * How often the connection may be lost while the same large text is on its way: Redis may have refused it, and
 * the end of the connection may have overtaken what it said.
 */
export const MOST_LOSSES = 3;

/** The connection was lost `MOST_LOSSES` times while something large was on its way. */
export class LostWhileSent extends Error {
  constructor() {
    super(`the connection was lost ${MOST_LOSSES} times while it was sent`);
  }
}

/** What went wrong. A transaction that is discarded has it in the error of one of its commands. */
export function reasonOf(error: unknown): string {
  const { previousErrors } = error as { readonly previousErrors?: readonly unknown[] };
  return safeError(previousErrors?.[0] ?? error).message;
}

/** Says in words what a refusal means. */
export function refusalReason({ message }: Error): string {
  return message.startsWith("OOM")
    ? "Redis is full: it has reached its maxmemory"
    : `Redis refuses to write for the moment (${message})`;
}

/** Says in words what it means that something can never be done. */
export function lastingReason(error: unknown): string {
  return isMistake(error) || error instanceof LostWhileSent
    ? `it cannot be sent to Redis (${reasonOf(error)})`
    : `Redis refuses it for good (${reasonOf(error)})`;
}
