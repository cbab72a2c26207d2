import { decodeDelivery, encodeEnvelope } from "@busbar/core/provider";
import type { Envelope, PublishResult, Settlement, StoredDelivery } from "@busbar/core/provider";
import { bury, trim } from "./dead-letters.ts";
import type { Store } from "./store.ts";

/** Proof that a delivery is in hand. */
type Token = Readonly<{ id: number; lease: string }>;
type Row = StoredDelivery & Readonly<{ id: number }>;

/** Puts envelopes in the queues of all that want them. Call it in a transaction. */
export function route({ sql, now, subscriptions, save }: Store, batch: readonly Envelope[]) {
  const list = subscriptions();
  const results = batch.map((envelope): PublishResult => {
    const ids = list.match(envelope.name);
    for (const id of ids)
      sql`INSERT INTO deliveries (subscription, envelope, due_at)
        VALUES (${id}, ${encodeEnvelope(envelope)}, ${now() + (envelope.delayMs ?? 0)})`;
    return { status: "accepted", subscriptions: ids.length };
  });
  if (list.changed) save(list); // It counts what orphans do not get.
  return results;
}

/** The queue of a subscription, as a polling consumer asks for it. */
export function openQueue(store: Store, subscriptionId: string, leaseMs: number) {
  const { sql, now, write, subscriptions } = store;
  return {
    /** What has a lease that ran out was in the hands of who died. */
    async fetch(limit: number) {
      const lease = crypto.randomUUID();
      const rows = await write(() => {
        const next = sql<Row>`SELECT id FROM deliveries
          WHERE subscription = ${subscriptions().presentId(subscriptionId)}
            AND due_at <= ${now()} AND leased_until <= ${now()}
          ORDER BY priority, due_at, id LIMIT ${limit}`;
        return next.flatMap(
          ({ id }) => sql<Row>`UPDATE deliveries SET crashes = crashes + (lease IS NOT NULL),
            lease = ${lease}, leased_until = ${now() + leaseMs} WHERE id = ${id} RETURNING *`,
        );
      });
      return rows.map((row) => ({ token: { id: row.id, lease }, delivery: decodeDelivery(row) }));
    },

    /** Does as the bus says, unless the delivery is in another hand by now. */
    async settle({ id, lease }: Token, it: Settlement) {
      await write(() => {
        const mine = sql`UPDATE deliveries SET lease = NULL, leased_until = 0
          WHERE id = ${id} AND lease = ${lease} RETURNING id`;
        if (mine.length === 0) return;
        if (it.type === "ack") sql`DELETE FROM deliveries WHERE id = ${id}`;
        if (it.type === "dead") bury(store, id, it.reason, it.state);
        if (it.type === "retry")
          sql`UPDATE deliveries SET crashes = 0, state = ${JSON.stringify(it.state)},
            due_at = ${now() + it.delayMs} WHERE id = ${id}`;
        // Without a delay it keeps its place.
        if (it.type === "release" && it.delayMs)
          sql`UPDATE deliveries SET due_at = ${now() + it.delayMs} WHERE id = ${id}`;
      });
      if (it.type === "dead") await trim(store, subscriptions().presentId(subscriptionId));
    },

    extend: (tokens: readonly Token[]) =>
      write(() => {
        for (const { id, lease } of tokens)
          sql`UPDATE deliveries SET leased_until = ${now() + leaseMs}
            WHERE id = ${id} AND lease = ${lease}`;
      }),
    extendEveryMs: leaseMs / 3,
  };
}
