import type { DeadDelivery, ProviderAdmin } from "@busbar/core/provider";
import type { QueuePlace } from "../registry/layout.ts";
import type { Session } from "../session.ts";

/** Looks into queues, and deals with dead letters. */
export function createAdmin({ broker, deadLetters, publisher, registry }: Session): ProviderAdmin {
  async function placesOf(subscriptionId: string): Promise<readonly QueuePlace[]> {
    const { list, layout } = await registry.refresh();
    return layout.of(list.presentId(subscriptionId));
  }

  async function find(
    subscriptionId: string,
    ids: readonly string[],
  ): Promise<readonly DeadDelivery[]> {
    const places = await placesOf(subscriptionId);
    const found = await Promise.all(
      [...new Set(ids)].flatMap((id) => places.map(({ queue }) => deadLetters.get(queue, id))),
    );
    return found.filter((it) => it !== undefined).toSorted((a, b) => Number(a.id) - Number(b.id));
  }

  async function remove(letters: readonly DeadDelivery[]): Promise<number> {
    const removed = await Promise.all(letters.map(({ id }) => deadLetters.remove(id)));
    return removed.filter(Boolean).length;
  }

  return {
    async stats() {
      const { layout } = await registry.refresh();
      const dead = await deadLetters.counts();
      return Promise.all(
        layout.all().map(async ([subscriptionId, places]) => {
          const infos = await Promise.all(
            places.map((place) => broker.consumersOf(place, layout.partitions)),
          );
          const sum = (count: (info: (typeof infos)[0][0]) => number): number =>
            infos.flat().reduce((total, info) => total + count(info), 0);
          return {
            subscriptionId,
            ready: sum(({ num_pending }) => num_pending),
            // NATS counts a delayed retry, a released delivery and a delivery in flight alike.
            delayed: 0,
            inFlight: sum(({ num_ack_pending }) => num_ack_pending),
            dead: places.reduce((total, { queue }) => total + (dead.get(queue) ?? 0), 0),
          };
        }),
      );
    },

    async listDead(subscriptionId, { limit, cursor = "0" }) {
      const places = await placesOf(subscriptionId);
      const pages = await Promise.all(
        places.map(async ({ queue }) => {
          await deadLetters.trim(queue, subscriptionId);
          return deadLetters.list(queue, { limit, after: Number(cursor) });
        }),
      );
      const all = pages
        .flatMap(({ items }) => items)
        .toSorted((a, b) => Number(a.id) - Number(b.id));
      const items = all.slice(0, limit);
      const hasMore = all.length > limit || pages.some((page) => page.cursor !== undefined);
      return { items, ...(hasMore && { cursor: items.at(-1)?.id }) };
    },

    getDead: find,

    async replayDead(subscriptionId, ids, { data } = {}) {
      const letters = await find(subscriptionId, ids);
      const [place] = await placesOf(subscriptionId);
      if (!place) return 0;
      for (const { id, envelope } of letters) {
        const replayed = data === undefined ? envelope : { ...envelope, data };
        await publisher.publishTo(place, replayed, `replay ${id}`);
      }
      return remove(letters);
    },

    discardDead: async (subscriptionId, ids) => remove(await find(subscriptionId, ids)),
  };
}
