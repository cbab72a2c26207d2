/* oxlint-disable no-unused-expressions -- a statement is a tagged template */
import { createRouter, decodeEnvelope, encodeEnvelope } from "@busbar/core";
import type { Envelope, PolledDelivery, PublishResult, Settlement } from "@busbar/core";
import { isBusy, type Store } from "./store.ts";

/** The columns of `deliveries` that are read. */
export type Row = Record<"id" | "priority" | "due_at" | "crashes" | "died_at", number> &
  Record<"subscription" | "envelope" | "reason", string> & { state: string | null };

/** Proof that a delivery is in hand. */
export type Token = Readonly<{ id: number; lease: string }>;

export async function publish(
  store: Store,
  batch: readonly Envelope[],
  deadline: number,
): Promise<readonly PublishResult[]> {
  try {
    const results = await store.write(() => route(store, batch), deadline);
    store.changed();
    return results;
  } catch (cause) {
    if (!isBusy(cause)) throw cause;
    const reason = "other processes had the file for too long";
    return batch.map(() => ({
      status: "rejected",
      code: "refused",
      reason,
      retryable: true,
      cause,
    }));
  }
}

/** Adds envelopes to the queues of all that want them. Call it in a transaction. */
export function route(store: Store, batch: readonly Envelope[]): readonly PublishResult[] {
  const { sql, now, options } = store;
  const since = now() - store.context().orphanedAfterMs;
  const listed = sql<{ id: string; events: string }>`
    SELECT id, events FROM subscriptions WHERE renamed_to IS NULL AND last_seen_at > ${since}`;
  const router = createRouter(
    listed.map(({ id, events }) => ({ subscriptionId: id, events: JSON.parse(events) })),
  );
  sql`DELETE FROM deduplication_ids WHERE expires_at <= ${now()}`;
  return batch.map((envelope) => {
    const all = router.match(envelope.name);
    const wanting = all.filter((subscription) => {
      if (envelope.deduplicationId === undefined) return true;
      // SQLite ends a text at NUL. JSON has none.
      const id = JSON.stringify(envelope.deduplicationId);
      const added = sql`INSERT INTO deduplication_ids VALUES
        (${subscription}, ${id}, ${now() + options.deduplicationWindowMs})
        ON CONFLICT DO NOTHING RETURNING id`;
      return added.length > 0;
    });
    for (const subscription of wanting) add(store, subscription, envelope, envelope.notBefore);
    return all.length > 0 && wanting.length === 0
      ? { status: "duplicate", subscriptions: all.length }
      : { status: "accepted", subscriptions: wanting.length };
  });
}

/** Adds a delivery to a queue: behind the others of its key, if any, unless it comes later. */
export function add(store: Store, subscription: string, envelope: Envelope, notBefore = 0): void {
  const { priority = 100, orderingKey } = envelope;
  const now = store.now();
  const dueAt = Math.max(now, notBefore);
  const key = orderingKey === undefined ? null : JSON.stringify(orderingKey);
  store.sql`
    INSERT INTO deliveries (subscription, envelope, priority, due_at, key, turn)
    SELECT ${subscription}, ${encodeEnvelope(envelope)}, ${priority}, ${dueAt}, its.key,
      ${dueAt} > ${now} OR NOT EXISTS (SELECT * FROM deliveries AS other WHERE key = its.key
        AND subscription = ${subscription} AND (turn <> 1 OR due_at <= ${now}))
    FROM (SELECT max(CASE ordering WHEN 'all' THEN '' WHEN 'key' THEN ${key} END) AS key
      FROM subscriptions WHERE id = ${subscription}) AS its`;
}

/** Takes deliveries in hand. One with a lease that ran out was in the hands of who died. */
export async function take(
  { sql, now, write, options }: Store,
  subscription: string,
  limit: number,
): Promise<readonly PolledDelivery<Token>[]> {
  const lease = crypto.randomUUID();
  const taken = await write(
    () => sql<Row>`
      UPDATE deliveries SET turn = 2, crashes = crashes + (lease IS NOT NULL),
        lease = ${lease}, leased_until = ${now() + options.leaseMs}
      WHERE id IN (
        SELECT id FROM deliveries AS it
        WHERE subscription = (SELECT ifnull(renamed_to, id) FROM subscriptions WHERE id = ${subscription})
          AND died_at IS NULL AND turn > 0 AND due_at <= ${now()} AND leased_until <= ${now()}
          AND NOT EXISTS ( -- another of its key that has begun, or came before it
            SELECT * FROM deliveries AS other
            WHERE other.subscription = it.subscription AND other.key = it.key AND other.turn > 0
              AND (other.turn = 2 OR other.due_at <= ${now()})
              AND (other.turn, -other.id) > (it.turn, -it.id))
        ORDER BY priority, due_at, id LIMIT ${limit})
      RETURNING *`,
  );
  // RETURNING has an order of its own.
  taken.sort((a, b) => a.priority - b.priority || a.due_at - b.due_at || a.id - b.id);
  return taken.map(({ id, envelope, state, crashes }) => ({
    token: { id, lease },
    delivery: {
      envelope: decodeEnvelope(envelope),
      state: state === null ? undefined : JSON.parse(state),
      crashes,
    },
  }));
}

/** Does as the bus says, unless the delivery is in another hand by now. */
export async function settle(store: Store, { id, lease }: Token, it: Settlement): Promise<void> {
  const { sql, now } = store;
  const mine = await store.write(() => {
    const rows = sql<Row>`UPDATE deliveries SET lease = NULL, leased_until = 0
      WHERE id = ${id} AND lease = ${lease} RETURNING *`;
    if (rows.length === 0) return rows;
    if (it.type === "ack") sql`DELETE FROM deliveries WHERE id = ${id}`;
    else if (it.type === "release") {
      // Without a delay it keeps its place.
      const dueAt = it.delayMs === undefined ? 0 : now() + it.delayMs;
      sql`UPDATE deliveries SET due_at = max(due_at, ${dueAt}) WHERE id = ${id}`;
    } else if (it.type === "retry")
      sql`UPDATE deliveries SET crashes = 0, state = ${JSON.stringify(it.state)},
        due_at = ${now() + it.delayMs} WHERE id = ${id}`;
    // A dead one keeps its key only if it is to block it.
    else
      sql`UPDATE deliveries SET died_at = ${now()}, reason = ${it.reason},
        state = ${JSON.stringify(it.state)}, key = (SELECT iif(on_ordered_failure = 'block', key, NULL)
          FROM subscriptions WHERE subscriptions.id = subscription) WHERE id = ${id}`;
    return rows;
  });
  if (it.type === "dead") for (const { subscription } of mine) await trim(store, subscription);
}

export async function extend({ sql, now, write, options }: Store, tokens: readonly Token[]) {
  await write(() => {
    for (const { id, lease } of tokens)
      sql`UPDATE deliveries SET leased_until = ${now() + options.leaseMs}
        WHERE id = ${id} AND lease = ${lease}`;
  });
}

/** Drops dead letters beyond their bounds. */
export async function trim(store: Store, subscriptionId: string): Promise<void> {
  const context = store.context();
  const dropped = await store.write(
    () => store.sql`
    DELETE FROM deliveries WHERE id IN (
      SELECT id FROM (
        SELECT id, died_at, row_number() OVER (ORDER BY died_at DESC, id DESC) AS place
        FROM deliveries WHERE subscription = ${subscriptionId} AND died_at IS NOT NULL)
      WHERE place > ${context.deadLetters.maxPerSubscription}
        OR died_at <= ${store.now() - context.deadLetters.maxAgeMs})
    RETURNING id`,
  );
  if (dropped.length > 0) {
    context.report({ type: "dead-letters-dropped", subscriptionId, count: dropped.length });
  }
}
