import type { Logger } from "../contract/logger.ts";
import type { SubscriptionRegistry } from "../contract/provider.ts";
import { quoted } from "../errors/quoted.ts";
import type { Notices } from "../observe/notices.ts";

/**
 * Warns of subscriptions that get no new events, because no process declares them any more. Resolves
 * with their ids, for the next time.
 *
 * @param known - Those it was warned of before.
 * @param notices - Whose listeners hear of the others.
 */
export async function warnOfOrphans(
  subscriptions: Pick<SubscriptionRegistry, "list">,
  known: ReadonlySet<string>,
  logger: Logger,
  notices: Notices,
): Promise<ReadonlySet<string>> {
  const orphans = (await subscriptions.list()).filter(({ orphaned }) => orphaned);
  for (const { subscriptionId: subscriberId, withheld, ...orphan } of orphans) {
    if (known.has(subscriberId)) continue;
    const lastSeenAt = new Date(orphan.lastSeenAt);
    notices.report("orphaned", () => ({ subscriberId, lastSeenAt, withheld }));
    logger.warn(
      { subscriberId, lastSeenAt, withheld },
      `Subscription ${quoted(subscriberId)} gets no new events: no process has declared it for long. Retire it, or start one with code for it`,
    );
  }
  return new Set(orphans.map(({ subscriptionId }) => subscriptionId));
}
