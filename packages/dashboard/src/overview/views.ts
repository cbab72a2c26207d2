import type { BusHealth, BusInspection } from "@busbar/core";
import type { JsonValue } from "@busbar/core/provider";
import type {
  HealthView,
  InstanceView,
  PolicyView,
  RunsView,
  SubscriptionSample,
  SubscriptionView,
  Totals,
} from "../contract/api.ts";
import type { InspectedInstance, InspectedSubscription } from "./inspected.ts";

/** How a process is, for the page. */
export function instanceView(instance: InspectedInstance): InstanceView {
  const { instanceId, host, pid, role, status, consuming, here, versions, counters } = instance;
  return {
    instanceId,
    host,
    pid,
    role,
    status,
    consuming,
    startedAt: instance.startedAt.toISOString(),
    seenAt: instance.seenAt.toISOString(),
    here,
    versions,
    counters: { ...counters },
    subscriptions: instance.subscriptions.map(({ subscriberId }) => subscriberId),
  };
}

/** Whether the bus works, for the page. */
export function healthView({ status, since, detail }: BusHealth): HealthView {
  return { status, since: since.toISOString(), detail: detail ?? null };
}

/** How the subscriptions are, for the page. */
export function subscriptionViews(
  { subscriptions, instances }: BusInspection,
  runs: ReadonlyMap<string, RunsView>,
): readonly SubscriptionView[] {
  const policies = policiesOf(instances);
  return subscriptions.map((it) => {
    const own = policies.get(it.subscriberId) ?? [];
    const { subscriberId, events, here, paused, orphaned, withheld } = it;
    const { ready, delayed, inFlight, dead, oldestAt } = it;
    return {
      subscriberId,
      events,
      here,
      instances: own.length,
      paused,
      pausedEverywhere: it.pausedEverywhere,
      orphaned,
      withheld,
      ready,
      delayed,
      inFlight,
      dead,
      oldestAt: oldestAt?.toISOString() ?? null,
      policies: distinct(own),
      runs: runs.get(subscriberId) ?? null,
    };
  });
}

/** What the charts of a subscription have of a moment. */
export function subscriptionSample(
  at: string,
  { ready, delayed, inFlight, oldestAt, runs }: SubscriptionView,
): SubscriptionSample {
  const { p50Ms = null, p95Ms = null, p99Ms = null } = runs ?? {};
  return { at, backlog: ready + delayed + inFlight, oldestAt, p50Ms, p95Ms, p99Ms };
}

/** The numbers of all subscriptions together. */
export function totalsOf(subscriptions: readonly InspectedSubscription[]): Totals {
  const sum = (name: "ready" | "delayed" | "inFlight" | "dead"): number =>
    subscriptions.reduce((total, subscription) => total + subscription[name], 0);
  const oldest = subscriptions.flatMap(({ oldestAt }) => oldestAt?.getTime() ?? []);
  const [ready, delayed, inFlight] = [sum("ready"), sum("delayed"), sum("inFlight")];
  return {
    backlog: ready + delayed + inFlight,
    ready,
    delayed,
    inFlight,
    dead: sum("dead"),
    oldestAt: oldest.length > 0 ? new Date(Math.min(...oldest)).toISOString() : null,
  };
}

/** How deliveries run: what a policy has of the page's interest. */
export function policyView(policy: {
  readonly attempts?: number | undefined;
  readonly backoff?: unknown;
  readonly timeoutMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly ordering?: string | undefined;
  readonly rate?: PolicyView["rate"];
  readonly batch?: PolicyView["batch"];
}): PolicyView {
  const { attempts, backoff, timeoutMs, concurrency, ordering, rate, batch } = policy;
  return {
    ...(attempts !== undefined && { attempts }),
    ...(backoff !== undefined && { backoff: backoff as JsonValue }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(concurrency !== undefined && { concurrency }),
    ...(ordering !== undefined && { ordering }),
    ...(rate !== undefined && { rate }),
    ...(batch !== undefined && { batch }),
  };
}

/** The policy that each process has for a subscription, by its id. */
function policiesOf(
  instances: readonly InspectedInstance[],
): ReadonlyMap<string, readonly PolicyView[]> {
  const policies = new Map<string, PolicyView[]>();
  for (const { subscriptions } of instances) {
    for (const { subscriberId, policy } of subscriptions) {
      const known = policies.get(subscriberId) ?? [];
      policies.set(subscriberId, known);
      known.push(policyView(policy));
    }
  }
  return policies;
}

/** Usually every process has the same. */
function distinct(policies: readonly PolicyView[]): readonly PolicyView[] {
  return [...new Map(policies.map((policy) => [JSON.stringify(policy), policy])).values()];
}
