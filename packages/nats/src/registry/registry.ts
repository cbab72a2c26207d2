import {
  createSubscriptionList,
  type ProviderContext,
  type SubscriptionList,
  type SubscriptionRegistry,
} from "@busbar/core/provider";
import type { Broker } from "../broker.ts";
import { createLayout, type Layout, type StoredLayout, type QueuePlace } from "./layout.ts";

/** Milliseconds without a declaration after which the process of a temporary subscription has ended. */
const TEMPORARY_MS = 300_000;

/** What a publish and a consumer go by. */
export interface Routing {
  readonly list: SubscriptionList;
  readonly layout: Layout;
}

/** The list of subscriptions of a bus, and their queues. */
export interface Registry extends Required<
  Pick<SubscriptionRegistry, "declare" | "list" | "setPaused">
> {
  /** Resolves with the list that is stored now. */
  refresh(): Promise<Routing>;
  /** The list as this process has read it last. */
  cached(): Routing | undefined;
  /** Resolves with the queues of a subscription, also one that is not on the list. */
  queuesOf(subscriptionId: string): Promise<readonly QueuePlace[]>;
  /** Counts events as withheld from the subscriptions that want these names and are orphaned. */
  withheld(names: readonly string[]): Promise<void>;
  /** Changes the list. The change is repeated if another process has written the list meanwhile. */
  change<T>(change: (routing: Routing) => T): Promise<T>;
}

/**
 * Keeps the list in one record. A change is stored only if no other process has stored one meanwhile. The consumers of a
 * new queue are made before: from then on NATS keeps for the queue what is published to it.
 */
export function createRegistry(context: ProviderContext, broker: Broker): Registry {
  const { names, records } = broker;
  let cached: (Routing & { readonly revision: number }) | undefined;
  let changing: Promise<unknown> = Promise.resolve();
  let uncounted: string[] = [];
  let counting: Promise<void> | undefined;

  async function read(isForChange: boolean): Promise<Routing & { readonly revision: number }> {
    const record = await records.get(names.listSubject);
    const revision = record?.revision ?? 0;
    if (!isForChange && cached?.revision === revision) return cached;
    const stored = record && (JSON.parse(record.text) as StoredLayout);
    const partitions = stored?.partitions ?? broker.partitions;
    return {
      revision,
      list: createSubscriptionList(
        { clock: { now: () => broker.now() }, orphanedAfterMs: context.orphanedAfterMs },
        stored?.list,
      ),
      layout: createLayout(stored, partitions, broker.now()),
    };
  }

  async function refresh(): Promise<Routing> {
    cached = await read(false);
    return cached;
  }

  async function write<T>(change: (routing: Routing) => T): Promise<T> {
    for (;;) {
      const routing = await read(true);
      const result = change(routing);
      const { list, layout, revision } = routing;
      for (const place of layout.added) await broker.addConsumers(place, layout.partitions);
      const stored: StoredLayout = { list: list.toJSON(), ...layout.toJSON() };
      const isStored = await records.replace(names.listSubject, JSON.stringify(stored), revision);
      if (!isStored) continue;
      for (const place of layout.removed) await broker.removeConsumers(place, layout.partitions);
      return result;
    }
  }

  function change<T>(change: (routing: Routing) => T): Promise<T> {
    // The changes of this process take turns: they would only repeat each other.
    const changed = changing.then(() => write(change));
    changing = changed.catch(() => {});
    return changed;
  }

  async function count(): Promise<void> {
    const counted = uncounted;
    uncounted = [];
    await change(({ list }) => counted.forEach((name) => list.match(name)));
  }

  return {
    refresh,
    cached: () => cached,
    change,

    async queuesOf(subscriptionId) {
      const { list, layout } = await refresh();
      const present = layout.of(list.presentId(subscriptionId));
      if (present.length > 0) return present;
      return change((routing) => routing.layout.ensure(routing.list.presentId(subscriptionId)));
    },

    async withheld(withheld) {
      uncounted.push(...withheld);
      // Those that come while a count is under way are counted together.
      while (uncounted.length > 0) {
        counting ??= count().finally(() => (counting = undefined));
        await counting;
      }
      await counting;
    },

    async declare(specs) {
      await broker.readClock();
      const settled = await change(({ list, layout }) => {
        for (const { from, to } of list.declare(specs)) layout.move(from, to);
        for (const { subscriptionId, temporary, lastSeenAt } of list.list()) {
          if (temporary && lastSeenAt <= broker.now() - TEMPORARY_MS) {
            list.retire(subscriptionId);
            layout.remove(subscriptionId);
          } else {
            layout.ensure(subscriptionId);
          }
        }
        return layout.settleGivenUp();
      });
      for (const queue of settled) await records.remove(names.givenUpSubject(queue, "*"));
    },

    list: async () => (await refresh()).list.list(),
    setPaused: (subscriptionId, paused) =>
      change(({ list }) => list.setPaused(subscriptionId, paused)),
  };
}
