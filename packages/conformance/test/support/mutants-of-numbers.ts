import type { ProviderAdmin, SubscriptionStats } from "@busbar/core/provider";
import type { ProviderHarness } from "../../src/harness.ts";
import { faulty } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

const LAG_MS = 100;

/** The memory provider with numbers that it declares, or not, to lag behind. */
export function estimating(
  statsLagMs: number | undefined,
  change: (stats: SubscriptionStats) => SubscriptionStats = (stats) => stats,
): ProviderHarness {
  return faulty((inner) => ({
    capabilities: { ...inner.capabilities, statsLagMs },
    admin: { ...inner.admin, stats: late(inner.admin, change) },
  }));
}

/** Numbers of some time ago, with all that waits counted as ready. */
function late(
  admin: ProviderAdmin,
  change: (stats: SubscriptionStats) => SubscriptionStats,
): ProviderAdmin["stats"] {
  let taken: readonly SubscriptionStats[] = [];
  let takenAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = await admin.stats();
    if (performance.now() - takenAt > LAG_MS / 2) [taken, takenAt] = [now, performance.now()];
    return now.map(({ subscriptionId, dead }) => {
      const old = taken.find((it) => it.subscriptionId === subscriptionId);
      const ready = old ? old.ready + old.delayed + old.inFlight : 0;
      return change({ subscriptionId, dead, ready, delayed: 0, inFlight: 0 });
    });
  };
}

export const numberMutants: readonly Mutant[] = [
  {
    mistake: "says nothing of numbers that lag behind",
    caughtBy: ["settlement/ack-after-handler", "admin/stats"],
    harness: () => estimating(undefined),
  },
  {
    mistake: "has numbers that lag behind and come to nothing",
    caughtBy: ["admin/stats", "fan-out/atomic"],
    harness: () => estimating(LAG_MS, (stats) => ({ ...stats, ready: 0 })),
    without: () => estimating(LAG_MS),
  },
  {
    mistake: "has numbers that lag behind and never come to nothing",
    caughtBy: ["settlement/ack-after-handler", "admin/stats"],
    harness: () => estimating(LAG_MS, (stats) => ({ ...stats, ready: stats.ready + 1 })),
    without: () => estimating(LAG_MS),
  },
  {
    mistake: "has numbers that lag behind, and no exact number of dead letters",
    caughtBy: ["admin/stats"],
    harness: () => estimating(LAG_MS, (stats) => ({ ...stats, dead: stats.dead * 2 })),
    without: () => estimating(LAG_MS),
  },
];
