import {
  declaredPolicies,
  ORDER_POLICIES,
  type OrderPolicy,
  strictestPolicies,
} from "@busbar/core/provider";
import type { SubscriptionSpec } from "@busbar/core/provider";
import { insistently } from "../store/insistently.ts";
import type { Store } from "../store/store.ts";

/** Policies of subscriptions, by id, that releases which run now have declared. */
export type LivePolicies = ReadonlyMap<string, readonly OrderPolicy[]>;

export async function readLivePolicies(
  session: Store,
  ids: readonly string[],
): Promise<LivePolicies> {
  const { keys, scripts } = session;
  if (ids.length === 0) return new Map();
  const found = await insistently(session, () =>
    scripts.policies(keys.policies, [keys.own, ...ids]),
  );
  const policies = found.map((text) => text.split(",") as OrderPolicy[]);
  return new Map(ids.map((id, index) => [id, policies[index] ?? []]));
}

/**
 * Says in words where a declaration differs from those of other releases; undefined if it does not.
 *
 * @param others What other releases have declared.
 */
export function differenceOf(
  spec: SubscriptionSpec,
  others: readonly OrderPolicy[],
): string | undefined {
  const holds = strictestPolicies(spec, (policy) => others.includes(policy));
  const own = declaredPolicies(spec);
  const differences = (["ordering", "onOrderedFailure"] as const).flatMap((name) => {
    if (!own.includes(spec[name])) return [];
    const other = ORDER_POLICIES[name].find((it) => it !== spec[name] && others.includes(it));
    if (other === undefined) return [];
    return `${name} "${spec[name]}" here and "${other}" elsewhere: "${holds[name]}" holds while both run`;
  });
  return differences.length > 0 ? differences.join("; ") : undefined;
}
