import type { Envelope, Ordering } from "@busbar/core/provider";
import { encodeKey } from "../store/key-text.ts";
import type { Keys } from "../store/keys.ts";
import { presentId } from "./declarations.ts";
import { type RegistrySnapshot, type SubscriptionRecord, TEMPORARY_MS } from "./registry.ts";
import type { Place, PublishRequest } from "../store/publish-script.ts";

/** A subscription as a publish sees it. */
export interface Target {
  readonly spec: PublishRequest["targets"][number];
  readonly ordering: Ordering;
  /** What its lanes and deduplication ids are kept under, among those of others. */
  readonly scope: string;
  /** What stands before the key in the data of a turn: `{"subscription":"…","key":`. */
  readonly turnHead: string;
}

/** Where events go. Those that go to the same targets have the same route. */
export interface Route {
  readonly targets: readonly Target[];
  /** Some target keeps all events in order. */
  readonly ordersAll: boolean;
  /** Some target keeps the events of a key in order. */
  readonly ordersKeys: boolean;
  /** The targets are those that the emitter has named. */
  readonly isNamed: boolean;
}

/** Finds the route of an event. */
export type RouteOf = (envelope: Pick<Envelope, "name" | "to">) => Route;

/** How many routes to named targets are remembered. */
const MOST_NAMED = 1_000;

/** The routes of one version of the list of subscriptions. */
export function createRoutes(
  { router, records }: RegistrySnapshot,
  keys: Keys,
  reviveAfterMs: number,
): RouteOf {
  const targets = new Map<string, Target>();
  // The router finds the same list again for a name that it knows.
  const byList = new WeakMap<readonly string[], Route>();
  const byIds = new Map<string, Route>();
  const named = new Map<string, Route>();

  function targetOf(id: string): Target {
    let target = targets.get(id);
    if (!target) {
      target = createTarget(records.get(id) as SubscriptionRecord, keys, reviveAfterMs);
      targets.set(id, target);
    }
    return target;
  }

  function routeTo(name: string, to: readonly string[]): Route {
    const wanted = new Set(to.map((id) => presentId(records, id)));
    const list = router.match(name).filter((id) => wanted.has(id));
    const ids = JSON.stringify(list);
    let route = named.get(ids);
    if (!route) {
      if (named.size === MOST_NAMED) named.clear();
      route = createRoute(list.map(targetOf), true);
      named.set(ids, route);
    }
    return route;
  }

  return ({ name, to }) => {
    if (to) return routeTo(name, to);
    const list = router.match(name);
    let route = byList.get(list);
    if (!route) {
      const ids = JSON.stringify(list);
      route = byIds.get(ids) ?? createRoute(list.map(targetOf), false);
      byIds.set(ids, route);
      byList.set(list, route);
    }
    return route;
  };
}

/** The lane that an event enters at a target. Undefined: none, it waits for nobody. */
export function laneKey(
  { ordering, scope }: Pick<Target, "ordering" | "scope">,
  orderingKey: string | undefined,
): string | undefined {
  if (ordering === "none") return undefined;
  if (ordering === "all") return `${scope}:`;
  return orderingKey === undefined ? undefined : `${scope}:${encodeKey(orderingKey)}`;
}

/** What stands before the events in the data of a subscription's jobs. */
export function packHead(subscriptionId: string): string {
  return `{"subscription":${JSON.stringify(subscriptionId)},"events":[`;
}

/** What stands before the key in the data of a lane's turn. */
export function turnHead(subscriptionId: string): string {
  return `{"subscription":${JSON.stringify(subscriptionId)},"key":`;
}

/** Where the deliveries of a subscription are. */
export function placeOf(
  { queues }: Pick<SubscriptionRecord, "queues">,
  keys: Keys,
  reviveAfterMs: number,
): Place {
  const [queue = "", ...formers] = queues.map((name) => keys.queue(name));
  return { queue, ...(formers.length > 0 ? { formers } : {}), reviveAfterMs };
}

function createTarget(record: SubscriptionRecord, keys: Keys, reviveAfterMs: number): Target {
  const { subscriptionId, ordering, scope, temporary } = record;
  const place = placeOf(record, keys, reviveAfterMs);
  return {
    spec: {
      subscription: subscriptionId,
      ...place,
      head: packHead(subscriptionId),
      ...(temporary && { orphanedAfterMs: TEMPORARY_MS }),
    },
    ordering,
    scope: encodeURIComponent(scope),
    turnHead: turnHead(subscriptionId),
  };
}

function createRoute(targets: readonly Target[], isNamed: boolean): Route {
  return {
    isNamed,
    targets,
    ordersAll: targets.some(({ ordering }) => ordering === "all"),
    ordersKeys: targets.some(({ ordering }) => ordering === "key"),
  };
}
