import type { ProviderAdmin, SubscriptionRegistry, SubscriptionSpec } from "@busbar/core/provider";

/** A registry that also writes what is declared into a map, by subscription. */
export function withSpecs(
  registry: SubscriptionRegistry,
  specs: Map<string, SubscriptionSpec>,
): SubscriptionRegistry {
  return {
    ...registry,
    declare: (subscriptions) => {
      for (const spec of subscriptions) specs.set(spec.subscriptionId, spec);
      return registry.declare(subscriptions);
    },
  };
}

/** An admin part that counts what is on its way to a subscription among what is delayed. */
export function withTransit(
  admin: ProviderAdmin,
  inTransit: (subscriptionId: string) => number,
): ProviderAdmin {
  return {
    ...admin,
    stats: async () => {
      const stats = await admin.stats();
      return stats.map((entry) => ({
        ...entry,
        delayed: entry.delayed + inTransit(entry.subscriptionId),
      }));
    },
  };
}
