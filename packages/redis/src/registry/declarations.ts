import { declaredPolicies, type OrderPolicy, strictestPolicies } from "@busbar/core/provider";
import type { SubscriptionSpec } from "@busbar/core/provider";
import { queueName } from "../store/keys.ts";
import { policyField } from "../store/policies-script.ts";
import type { LivePolicies } from "./live-policies.ts";
import type { SubscriptionRecord } from "./registry.ts";

/** Begins the names of queues that several subscriptions share. No name of a subscription's own queue begins so. */
const SHARED_PREFIX = "~lane-";

/** What is to be written to the list of subscriptions. */
export interface Changes {
  readonly set: readonly SubscriptionRecord[];
  readonly seen: readonly string[];
  readonly unseen: readonly string[];
  /** Fields of the hash of policies: what was declared. */
  readonly policies: readonly string[];
  /** Whose dead letters, policies and starts of runs become whose. */
  readonly moves: readonly (readonly [from: string, to: string])[];
  /** Given: nothing is written if this subscription has a process. It is temporary. */
  readonly ended?: string | undefined;
}

type Records = ReadonlyMap<string, SubscriptionRecord>;

/**
 * The changes that bring the list of subscriptions up to what was declared. Pure.
 *
 * @param live What other releases declare now.
 * @param moves Whether a subscription goes to the queue that `sharedQueues` gives it, or stays where it is.
 */
export function changesFor(
  known: Records,
  specs: readonly SubscriptionSpec[],
  sharedQueues: Readonly<Record<string, readonly string[]>>,
  moves: (subscriptionId: string) => boolean,
  live: LivePolicies = new Map(),
): Changes {
  const records = new Map(known);
  const seen = new Set<string>();
  const unseen = new Set<string>();
  const policies: string[] = [];
  const declared = new Map(live);
  const renamed: [string, string][] = [];

  function declare(spec: SubscriptionSpec): void {
    const { subscriptionId: id } = spec;
    const present = presentId(records, id);
    const given = records.get(present);
    seen.add(present);
    const [, ...earlier] = declaredIds(records, spec);
    const holding = policiesOf(spec, [present, ...earlier]);
    if (given && present !== id) {
      // A release that has the earlier id: its policies count, its events are those of the present one.
      records.set(present, { ...given, ...holding });
      return;
    }
    const before = given?.renamedTo === undefined ? given : undefined;
    const taken = earlier.flatMap((alias) => records.get(alias) ?? []);
    records.set(id, {
      subscriptionId: id,
      events: union(before?.retired ? [] : before?.events, spec.events),
      ...holding,
      aliases: union(before?.aliases, spec.aliases),
      queues:
        before && !moves(id)
          ? union(
              before.queues,
              taken.flatMap(({ queues }) => queues),
            )
          : queuesOf(id, [before, ...taken], sharedQueues),
      scope: (before ?? taken[0])?.scope ?? id,
      ...(spec.temporary === true && { temporary: true }),
    });
    for (const alias of earlier) rename(alias, id);
  }

  /** The policies that hold from now on for a subscription, which is declared under the first of the ids. */
  function policiesOf(
    spec: SubscriptionSpec,
    ids: readonly [string, ...string[]],
  ): Pick<SubscriptionSpec, "ordering" | "onOrderedFailure"> {
    const own = declaredPolicies(spec);
    const all: readonly OrderPolicy[] = [...ids.flatMap((it) => declared.get(it) ?? []), ...own];
    declared.set(ids[0], all);
    policies.push(...own.map((policy) => policyField(policy, ids[0])));
    return strictestPolicies(spec, (policy) => all.includes(policy));
  }

  function rename(alias: string, id: string): void {
    const to = { ...RENAMED, renamedTo: id };
    records.set(alias, { ...to, subscriptionId: alias, scope: alias });
    for (const record of records.values()) {
      if (record.renamedTo === alias) records.set(record.subscriptionId, { ...record, ...to });
    }
    renamed.push([alias, id]);
    seen.delete(alias);
    unseen.add(alias);
  }

  specs.forEach(declare);
  return {
    set: [...records.values()].filter(
      (record) => !isSame(record, known.get(record.subscriptionId)),
    ),
    seen: [...seen],
    unseen: [...unseen],
    policies,
    moves: renamed,
  };
}

/** The id under which a subscription is declared, and those that it has had until now. */
export function declaredIds(
  records: Records,
  { subscriptionId, aliases }: SubscriptionSpec,
): readonly string[] {
  const present = presentId(records, subscriptionId);
  if (present !== subscriptionId) return [present];
  const isEarlier = (alias: string): boolean =>
    alias !== subscriptionId && records.get(alias)?.renamedTo === undefined;
  return [subscriptionId, ...aliases.filter(isEarlier)];
}

/** The id that a subscription has now. An earlier id of one that was retired is free again. */
export function presentId(records: Records, id: string): string {
  const { renamedTo } = records.get(id) ?? {};
  if (renamedTo === undefined) return id;
  return records.get(renamedTo)?.retired ? id : renamedTo;
}

/** Whether several subscriptions may have jobs in a queue. */
export function isShared(records: Records, queue: string): boolean {
  if (queue.startsWith(SHARED_PREFIX)) return true;
  let users = 0;
  for (const { queues } of records.values()) if (queues.includes(queue)) users += 1;
  return users > 1;
}

const RENAMED = {
  events: [],
  ordering: "none",
  onOrderedFailure: "park",
  aliases: [],
  queues: [],
} as const;

function queuesOf(
  id: string,
  records: readonly (SubscriptionRecord | undefined)[],
  sharedQueues: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  const known = records.flatMap((record) => record?.queues ?? []);
  const shared = Object.entries(sharedQueues).find(([, members]) =>
    members.some((it) => isMember(it, id)),
  );
  const target = shared
    ? SHARED_PREFIX + queueName(shared[0])
    : (known.find((queue) => !queue.startsWith(SHARED_PREFIX)) ?? queueName(id));
  return union([target], known);
}

/** `member` is an id, or the beginning of ids with `*` behind it. */
function isMember(member: string, id: string): boolean {
  return member.endsWith("*") ? id.startsWith(member.slice(0, -1)) : member === id;
}

function union(known: readonly string[] = [], added: readonly string[]): readonly string[] {
  return [...new Set([...known, ...added])];
}

function isSame(record: SubscriptionRecord, other: SubscriptionRecord | undefined): boolean {
  return JSON.stringify(record) === JSON.stringify(other);
}
