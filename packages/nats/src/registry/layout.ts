import type { StoredSubscriptions } from "@busbar/core/provider";

/** Milliseconds before a slot is given to another queue: a publish that knows the earlier owner has ended by then. */
const SLOT_RESTS_MS = 600_000;

/** The list of a bus and where its queues are, as one JSON record. */
export interface StoredLayout {
  readonly list: StoredSubscriptions;
  /** How many streams the events are spread over. */
  readonly partitions: number;
  /** The number of the next queue. No number is used twice. */
  readonly nextQueue: number;
  /**
   * The queues of each subscription. New events go to the first one. A subscription that another one was renamed to has
   * the queues of both.
   */
  readonly queues: Readonly<Record<string, readonly QueuePlace[]>>;
  /** Slots that no queue has any more, and since when. */
  readonly freed: readonly { readonly slot: number; readonly at: number }[];
  /** Queues some of whose deduplication ids were given up, and until when that matters. */
  readonly givenUp?: readonly GivenUp[] | undefined;
}

/** A queue with deduplication ids that were given up: each has a record until then. */
export interface GivenUp {
  readonly queue: number;
  readonly until: number;
}

/** A queue, and the place in the subjects of events that stands for it. */
export interface QueuePlace {
  readonly queue: number;
  readonly slot: number;
}

/** The queues of a bus, while one process changes them. */
export interface Layout {
  readonly partitions: number;
  /** The queues that were added. */
  readonly added: readonly QueuePlace[];
  /** The queues that nobody has any more. */
  readonly removed: readonly QueuePlace[];
  /** The queues of a subscription. */
  of(subscriptionId: string): readonly QueuePlace[];
  /** Every queue, and the subscription that it belongs to. */
  all(): readonly (readonly [subscriptionId: string, places: readonly QueuePlace[]])[];
  /** Gives a subscription a queue if it has none. */
  ensure(subscriptionId: string): readonly QueuePlace[];
  /** Gives the queues of one subscription to another one. */
  move(from: string, to: string): void;
  /** Whether deduplication ids of a queue were given up. */
  hasGivenUp(queue: number): boolean;
  /** Notes that deduplication ids of a queue are given up. */
  giveUp(queue: number, until: number): void;
  /** Forgets the queues whose ids were given up long ago, and returns them. */
  settleGivenUp(): readonly number[];
  /** Takes the queues of a subscription away. */
  remove(subscriptionId: string): void;
  toJSON(): Omit<StoredLayout, "list">;
}

/** Makes a layout out of what was stored. */
export function createLayout(
  stored: StoredLayout | undefined,
  partitions: number,
  now: number,
): Layout {
  // Without a prototype: any string is the id of a subscription.
  const queues = new Map(Object.entries(stored?.queues ?? {}));
  let freed = [...(stored?.freed ?? [])];
  let givenUp = [...(stored?.givenUp ?? [])];
  let nextQueue = stored?.nextQueue ?? 0;
  const added: QueuePlace[] = [];
  const removed: QueuePlace[] = [];

  function nextSlot(): number {
    const rested = freed.find(({ at }) => at <= now - SLOT_RESTS_MS);
    if (rested) {
      freed = freed.filter((it) => it !== rested);
      return rested.slot;
    }
    // Every other slot is rested or in use.
    return [...queues.values()].flat().length + freed.length;
  }

  return {
    partitions,
    added,
    removed,
    of: (id) => queues.get(id) ?? [],
    all: () => [...queues],
    ensure(id) {
      const present = queues.get(id);
      if (present) return present;
      const place = { queue: nextQueue++, slot: nextSlot() };
      queues.set(id, [place]);
      added.push(place);
      return [place];
    },
    move(from, to) {
      const moved = queues.get(from);
      if (!moved) return;
      queues.delete(from);
      queues.set(to, [...(queues.get(to) ?? []), ...moved]);
    },
    hasGivenUp: (queue) => givenUp.some((it) => it.queue === queue),
    giveUp(queue, until) {
      givenUp = [...givenUp.filter((it) => it.queue !== queue), { queue, until }];
    },
    settleGivenUp() {
      const settled = givenUp.filter(({ until }) => until <= now);
      givenUp = givenUp.filter(({ until }) => until > now);
      return settled.map(({ queue }) => queue);
    },
    remove(id) {
      const gone = queues.get(id) ?? [];
      queues.delete(id);
      removed.push(...gone);
      freed.push(...gone.map(({ slot }) => ({ slot, at: now })));
    },
    toJSON: () => ({
      partitions,
      nextQueue,
      // As own members: "__proto__" may be the id of a subscription.
      queues: Object.fromEntries(queues),
      freed,
      ...(givenUp.length > 0 && { givenUp }),
    }),
  };
}
