import { insistently } from "../insistently.ts";
import { createJobIds } from "../publish/job-ids.ts";
import { NORMAL_PRIORITY } from "../publish/packs.ts";
import type { Session } from "../session.ts";
import type { SubscriptionRecord } from "./registry.ts";

/** Milliseconds for which nobody else looks: a little less than a process waits before it declares again. */
const LOOKED_FOR_MS = 50_000;

/**
 * Sets keys of ordered subscriptions going again whose turn somebody has removed by hand. One process
 * looks for all of them.
 */
export async function reviveLanes(
  session: Omit<Session, "registry">,
  records: readonly SubscriptionRecord[],
): Promise<void> {
  const { keys, context } = session;
  const ordered = records.filter(({ ordering }) => ordering !== "none");
  const names = new Set(ordered.flatMap(({ queues }) => queues));
  for (const name of names) {
    const queue = keys.queue(name);
    const revived = await reviveQueue(session, queue);
    if (revived > 0) {
      context.logger.warn(
        { queue: name, keys: revived },
        `${revived} keys stood still: jobs that were their turns had been removed by hand`,
      );
    }
  }
}

async function reviveQueue(session: Omit<Session, "registry">, queue: string): Promise<number> {
  const { keys, scripts, options, context } = session;
  const ids = createJobIds();
  let revived = 0;
  let cursor = "0";
  do {
    const args = [keys.own, queue, context.clock.now(), NORMAL_PRIORITY, options.lockDurationMs];
    const id = ids.next(0).replace(/x0$/, "");
    const [next, count] = await insistently(session, () =>
      scripts.revive(`${keys.own}lanes:${queue}`, [...args, id, cursor, LOOKED_FOR_MS]),
    );
    cursor = next;
    revived += count;
  } while (cursor !== "0");
  return revived;
}
