import { BusbarError, isBusbarError } from "@busbar/core";
import { isLasting, isReply, lastingReason, reasonOf } from "./redis-errors.ts";
import type { RedisLink } from "../connection/redis-link.ts";
import type { Store } from "./store.ts";

/** Milliseconds before something that Redis has refused for the moment is tried again. */
const AGAIN_AFTER_MS = 50;

/**
 * Does something that may safely be done twice, again when the connection is lost meanwhile, or Redis
 * refuses it for the moment.
 *
 * @throws BusbarError `BUSBAR_UNAVAILABLE` when Redis does not answer within twice `commandTimeoutMs`, and at
 * once when no repetition can succeed, or Redis is down and `whenDown` is `"reject"`.
 */
export async function insistently<T>(
  { link, options, context: { clock } }: Pick<Store, "link" | "options" | "context">,
  work: () => Promise<T>,
  whenDown: "wait" | "reject" = "wait",
): Promise<T> {
  const deadline = clock.monotonic() + 2 * options.commandTimeoutMs;
  for (;;) {
    if (whenDown === "reject" && link.isDown) throw unavailable(link, link.away());
    try {
      // Rejects at the deadline, and once the provider has stopped.
      if (!link.isReady) await link.whenReady(deadline);
    } catch (cause) {
      throw unavailable(link, cause);
    }
    try {
      return await work();
    } catch (cause) {
      if (isLasting(cause) || clock.monotonic() + AGAIN_AFTER_MS >= deadline)
        throw unavailable(link, cause);
    }
    // A connection that is lost may look ready for a moment.
    await new Promise<void>((resolve) => {
      clock.setTimeout(resolve, AGAIN_AFTER_MS, { keepAlive: true });
    });
  }
}

function unavailable(link: RedisLink, cause: unknown): unknown {
  if (isBusbarError(cause)) return cause;
  return new BusbarError(
    "BUSBAR_UNAVAILABLE",
    messageFor(link, cause),
    { provider: "redis" },
    { cause },
  );
}

function messageFor(link: RedisLink, cause: unknown): string {
  if (isLasting(cause)) return lastingReason(cause).replace(/^it/, "A request");
  if (isReply(cause)) return `Redis refuses for the moment: ${reasonOf(cause)}`;
  return link.isReady ? `Redis cannot be reached: ${reasonOf(cause)}` : link.away().message;
}
