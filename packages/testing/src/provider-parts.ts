import type {
  Envelope,
  ProviderAdmin,
  PublishOptions,
  PublishResult,
  ScheduleStore,
  SubscriptionRegistry,
  SubscriptionSpec,
} from "@busbar/core/provider";

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

/** What is done around a publish. `publish` publishes in the provider itself. */
export type AroundPublish = <T extends readonly PublishResult[] | undefined>(
  batch: readonly Envelope[],
  options: PublishOptions,
  publish: () => Promise<T>,
) => Promise<T | readonly PublishResult[]>;

/** Schedules whose emits are publishes like all others. */
export function withPublishes(schedules: ScheduleStore, around: AroundPublish): ScheduleStore {
  return {
    ...schedules,
    fire: (schedule, version, envelopes, options) =>
      around(envelopes, options, () => schedules.fire(schedule, version, envelopes, options)),
  };
}
