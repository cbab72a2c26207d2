import { BusbarError, type EmitOutcome, isBusbarError } from "../errors.ts";

/** Wraps what a provider threw, once; errors of ours pass as they are. */
export function unavailable(
  provider: string,
  what: string,
  cause: unknown,
  outcome?: Partial<EmitOutcome>,
): unknown {
  if (isBusbarError(cause)) return cause;
  const message = `${what}: ${(cause as Error)?.message}`;
  return new BusbarError("BUSBAR_UNAVAILABLE", message, { provider, ...outcome }, { cause });
}
