import { DECLARATION_COUNTS_MS, strictestOrdering, type SubscriptionSpec } from "@busbar/core";
import { insistently } from "../insistently.ts";
import type { Policy } from "../scripts/policies-script.ts";
import type { Session } from "../session.ts";

/** Policies of subscriptions, by id, that releases which run now have declared: the stricter ones first. */
export type LivePolicies = ReadonlyMap<string, readonly Policy[]>;

export async function readLivePolicies(
  session: Omit<Session, "registry">,
  specs: readonly SubscriptionSpec[],
): Promise<LivePolicies> {
  const { keys, scripts } = session;
  const ids = specs.map(({ subscriptionId }) => subscriptionId);
  if (ids.length === 0) return new Map();
  const found = await insistently(session, () =>
    scripts.policies(keys.policies, [DECLARATION_COUNTS_MS, ...ids]),
  );
  return new Map(ids.map((id, index) => [id, (found[index] ?? "").split(",") as Policy[]]));
}

/** The ordering that holds: the strictest of those that are declared now. */
export function orderingOf(
  { subscriptionId, ordering }: Pick<SubscriptionSpec, "subscriptionId" | "ordering">,
  live: LivePolicies,
): SubscriptionSpec["ordering"] {
  const others = live.get(subscriptionId) ?? [];
  return strictestOrdering((it) => it === ordering || others.includes(it)) ?? ordering;
}

/** Says in words where a declaration differs from those of other releases; undefined if it does not. */
export function differenceOf(spec: SubscriptionSpec, live: LivePolicies): string | undefined {
  const others = live.get(spec.subscriptionId) ?? [];
  const ordering = strictestOrdering((it) => it !== spec.ordering && others.includes(it));
  if (ordering !== undefined) {
    const holds = orderingOf(spec, live);
    return `ordering "${spec.ordering}" here and "${ordering}" elsewhere: "${holds}" holds while both run`;
  }
  const failure = spec.onOrderedFailure === "block" ? "park" : "block";
  if (spec.ordering === "none" || !others.includes(failure)) return undefined;
  return `onOrderedFailure "${spec.onOrderedFailure}" here and "${failure}" elsewhere: each process does as it says itself`;
}
