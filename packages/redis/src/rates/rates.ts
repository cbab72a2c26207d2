import type { ReservedStarts, SharedRates } from "@busbar/core/provider";
import { presentId } from "../registry/declarations.ts";
import type { Session } from "../registry/session.ts";
import { insistently } from "../store/insistently.ts";
import { createJobIds } from "../store/job-ids.ts";

/** Counts the starts of runs over all processes. A reservation whose answer was lost is made again, and costs a start. */
export function createRates(session: Session): SharedRates {
  const { context, keys, scripts, serverClock, registry } = session;
  const { clock } = context;
  const ids = createJobIds();
  return {
    async reserve(subscriptionId, { max, perMs, count, horizonMs }): Promise<ReservedStarts> {
      const { records } = await registry.snapshot();
      const key = keys.rate(presentId(records, subscriptionId));
      let sentAt = 0;
      const [now, waits, laterMs] = await insistently(session, () => {
        sentAt = clock.monotonic();
        return scripts.reserve(key, [max, perMs, count, horizonMs, ids.next(0)]);
      });
      // The answer has been on its way for a while, which is a part of the wait.
      const onItsWayMs = serverClock.now() - now;
      const agoMs = Math.min(Math.max(onItsWayMs, 0), clock.monotonic() - sentAt);
      const waitsMs = waits.map((waitMs) => Math.max(waitMs - agoMs, 0));
      if (laterMs < 0) return { waitsMs };
      // By then there are starts for half a horizon: to ask for each as it comes would be a request each.
      return { waitsMs, retryAfterMs: Math.max(laterMs - horizonMs / 2, 1) };
    },
  };
}
