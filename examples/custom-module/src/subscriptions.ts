import { decodeEnvelope, type SubscriptionRegistry } from "@busbar/core/provider";
import { bury, room, trim } from "./dead-letters.ts";
import type { Store } from "./store.ts";

/** The list of subscriptions that a publish goes by. */
export function createRegistry(store: Store): SubscriptionRegistry {
  const { sql, now, write, subscriptions, save } = store;

  return {
    async declare(specs) {
      await write(() => {
        const list = subscriptions();
        for (const { from, to } of list.declare(specs)) {
          sql`UPDATE deliveries SET subscription = ${to} WHERE subscription = ${from}`;
          sql`UPDATE dead_letters SET subscription = ${to} WHERE subscription = ${from}`;
        }
        save(list);
      });
      // The bus declares every minute: the time to look for what is too old.
      for (const { subscriptionId } of specs) await trim(store, subscriptionId);
    },

    list: async () => subscriptions().list(),

    retire: (subscriptionId, { events, backlog }) =>
      write(() => {
        const list = subscriptions();
        const isWanted = list.retire(subscriptionId, events);
        save(list);
        if (backlog === "keep") return 0;
        const waiting = sql<{ id: number; envelope: string }>`SELECT * FROM deliveries
          WHERE subscription = ${subscriptionId} AND leased_until <= ${now()}`;
        const unwanted = waiting.filter((row) => !isWanted(decodeEnvelope(row.envelope).name));
        if (backlog === "discard") {
          for (const { id } of unwanted) sql`DELETE FROM deliveries WHERE id = ${id}`;
          return unwanted.length;
        }
        // What there is no room for goes on waiting: nothing is lost.
        const buried = unwanted.slice(0, room(store, subscriptionId));
        for (const { id } of buried) bury(store, id, "retired", null);
        return buried.length;
      }),
  };
}
