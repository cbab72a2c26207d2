import type { SubscriptionStats } from "@busbar/core/provider";

/** Says of each subscription that has something left how much that is. */
export function backlogLines(stats: readonly SubscriptionStats[]): readonly string[] {
  return stats
    .filter(({ ready, delayed, inFlight }) => ready + delayed + inFlight > 0)
    .map(({ subscriptionId, ready, delayed, inFlight }) => {
      return `${subscriptionId}: ${inFlight} in flight, ${ready} ready, ${delayed} delayed`;
    });
}
