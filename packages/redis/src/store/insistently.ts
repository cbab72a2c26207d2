import { BusbarError } from "@busbar/core";
import { isLasting, isReply, lastingReason, reasonOf } from "./redis-errors.ts";
import type { Store } from "./store.ts";

/** Milliseconds before something that Redis has refused for the moment is tried again. */
const AGAIN_AFTER_MS = 50;

/**
 * Does something that may safely be done twice, again when the connection is lost meanwhile, or Redis
 * refuses it for the moment.
 *
 * @throws BusbarError `BUSBAR_UNAVAILABLE` when Redis does not answer within twice `commandTimeoutMs`, and at
 * once when no repetition can succeed.
 */
export async function insistently<T>(
  { link, options, context: { clock } }: Pick<Store, "link" | "options" | "context">,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = clock.monotonic() + 2 * options.commandTimeoutMs;
  for (;;) {
    try {
      // Rejects at the deadline, and once the provider has stopped.
      if (!link.isReady) await link.whenReady(deadline);
    } catch (cause) {
      throw unavailable(cause);
    }
    try {
      return await work();
    } catch (cause) {
      if (isLasting(cause) || clock.monotonic() + AGAIN_AFTER_MS >= deadline)
        throw unavailable(cause);
    }
    // A connection that is lost may look ready for a moment.
    await new Promise<void>((resolve) => {
      clock.setTimeout(resolve, AGAIN_AFTER_MS, { keepAlive: true });
    });
  }
}

function unavailable(cause: unknown): unknown {
  if (cause instanceof BusbarError) return cause;
  const message = isLasting(cause)
    ? lastingReason(cause).replace(/^it/, "A request")
    : `Redis ${isReply(cause) ? "refuses for the moment" : "cannot be reached"}: ${reasonOf(cause)}`;
  return new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: "redis" }, { cause });
}
