import { BusbarError, type EmitOutcome, isBusbarError } from "./errors.ts";
import { safeError } from "./safe-error.ts";
import { isInstance, memberOf } from "./thrown.ts";

/** Codes of what an event itself is refused for, whatever is published with it. */
const LASTING: ReadonlySet<string> = new Set([
  "BUSBAR_INVALID_MESSAGE",
  "BUSBAR_INVALID_EVENT",
  "BUSBAR_UNSUPPORTED",
]);

/**
 * Whether a publish that failed with an error would fail with it again: the event is refused for what it is, or
 * the provider says so (`details.retryable`), or threw a `RangeError`, as for what is too large.
 *
 * Not a `TypeError`: a `fetch` without a network throws one.
 */
export function isLastingError(error: unknown): boolean {
  if (!isBusbarError(error)) return isInstance(error, RangeError);
  if (error.code === "BUSBAR_UNAVAILABLE") {
    return memberOf(error.details, "retryable") === false;
  }
  return LASTING.has(error.code);
}

/** Wraps what a provider threw, once, without what must not be shown; errors of ours are not wrapped. */
export function unavailable(
  provider: string,
  what: string,
  cause: unknown,
  outcome?: Partial<EmitOutcome>,
): unknown {
  const safe = safeError(cause);
  if (isBusbarError(safe)) return safe;
  return new BusbarError(
    "BUSBAR_UNAVAILABLE",
    `${what}: ${safe.message}`,
    { provider, ...(isLastingError(cause) && { retryable: false }), ...outcome },
    { cause: safe },
  );
}
