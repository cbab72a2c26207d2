import { matchesPattern } from "@busbar/core/provider";

/** The ids of the subscriptions that take events of a name, in the order that they have. */
export function takers(
  name: string,
  subscriptions: readonly { readonly subscriberId: string; readonly events: readonly string[] }[],
): readonly string[] {
  return subscriptions
    .filter(({ events }) => events.some((pattern) => matchesPattern(pattern, name)))
    .map(({ subscriberId }) => subscriberId);
}
