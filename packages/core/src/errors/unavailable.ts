import { BusbarError, type EmitOutcome, isBusbarError } from "./errors.ts";
import { safeError } from "./safe-error.ts";

/** Wraps what a provider threw, once, without what must not be shown; errors of ours pass as they are. */
export function unavailable(
  provider: string,
  what: string,
  cause: unknown,
  outcome?: Partial<EmitOutcome>,
): unknown {
  if (isBusbarError(cause)) return cause;
  const safe = safeError(cause);
  return new BusbarError(
    "BUSBAR_UNAVAILABLE",
    `${what}: ${safe.message}`,
    { provider, ...outcome },
    { cause: safe },
  );
}
