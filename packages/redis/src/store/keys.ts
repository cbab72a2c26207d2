/** Names of everything that a bus keeps in Redis. All are in one hash slot, for Redis Cluster. */
export interface Keys {
  /** The prefix that BullMQ gets: what a dashboard's `new Queue(name, { prefix })` needs. */
  readonly prefix: string;
  /** The prefix of our own keys, with its last colon. */
  readonly own: string;
  /** Counts the changes of the list of subscriptions. */
  readonly version: string;
  /** Hash: subscription id to its record. */
  readonly subscriptions: string;
  /** Sorted set: subscription id by the time of its last `declare`. */
  readonly seen: string;
  /** Hash: a policy and a subscription id to the time when some release has declared that. */
  readonly policies: string;
  /** Hash: subscription id to the number of events that it did not get because it was orphaned. */
  readonly withheld: string;
  /** Set: ids of subscriptions that are paused in every process. */
  readonly paused: string;
  /** Sorted set: group id by the time of its first event. */
  readonly groups: string;
  /** Hash: schedule id to its version, when it is due next, and its record. */
  readonly schedules: string;
  /** Sorted set: starts of runs of a subscription by their time. */
  rate(subscriptionId: string): string;
  /** The key prefix of a queue, with its last colon. */
  queue(name: string): string;
}

/** @param prefix With a hash tag, such as `{busbar:shop}`. */
export function createKeys(prefix: string): Keys {
  // BullMQ's queues are `<prefix>:<queue name>:…`, and no queue has this name.
  const own = `${prefix}:~:`;
  return {
    prefix,
    own,
    version: `${own}version`,
    subscriptions: `${own}subscriptions`,
    seen: `${own}seen`,
    policies: `${own}policies`,
    withheld: `${own}withheld`,
    paused: `${own}paused`,
    groups: `${own}groups`,
    schedules: `${own}schedules`,
    rate: (subscriptionId) => `${own}rate:${subscriptionId}`,
    queue: (name) => `${prefix}:${name}:`,
  };
}

/** What stands in the names of queues for what would be in the way, and for what stands for it. */
const STAND_INS: Readonly<Record<string, string>> = { ":": "~.", "%": "~p", "~": "~~" };
const STANDS_FOR = new Map(Object.entries(STAND_INS).map(([it, standIn]) => [standIn, it]));

/**
 * The name of a subscription's own queue: its id, as far as possible. BullMQ's names may hold no colon,
 * and Bull Board does not open queues with a percent sign in their names.
 */
export function queueName(subscriptionId: string): string {
  return subscriptionId.replace(/[:%~]/g, (character) => STAND_INS[character] as string);
}

/** The id of the subscription whose own queue has that name. Undefined: several may share it. */
export function ownerOf(queue: string): string | undefined {
  const id = queue.replace(/~[.p~]/g, (standIn) => STANDS_FOR.get(standIn) as string);
  return queueName(id) === queue ? id : undefined;
}
