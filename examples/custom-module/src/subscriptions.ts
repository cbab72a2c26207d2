/* oxlint-disable no-unused-expressions -- a statement is a tagged template */
import { createRouter, decodeEnvelope, matchesPattern } from "@busbar/core";
import type { SubscriptionRegistry, SubscriptionSpec } from "@busbar/core";
import { type Row as Delivery, trim } from "./deliveries.ts";
import type { Store } from "./store.ts";

type Row = Record<"id" | "events" | "aliases", string> &
  Pick<SubscriptionSpec, "ordering" | "onOrderedFailure"> & {
    lastSeenAt: number;
    renamedTo?: string;
  };

/** The list of subscriptions that a publish goes by. */
export function createRegistry(store: Store): SubscriptionRegistry {
  const { sql, now, write } = store;

  const rows = (id: string | null) => sql<Row>`
    SELECT id, events, aliases, ordering, on_ordered_failure AS onOrderedFailure,
      last_seen_at AS lastSeenAt, renamed_to AS renamedTo
    FROM subscriptions WHERE id = ifnull(${id}, id)`;

  function declare({ subscriptionId, ...spec }: SubscriptionSpec): void {
    const [known] = rows(subscriptionId);
    // A release that has the earlier id: its subscription is declared under the present one.
    if (known?.renamedTo) return;
    const events = union(known?.events, spec.events);
    const aliases = union(known?.aliases, spec.aliases);
    sql`REPLACE INTO subscriptions VALUES (${subscriptionId}, ${events}, ${spec.ordering},
      ${spec.onOrderedFailure}, ${aliases}, ${now()}, NULL)`;
    for (const alias of spec.aliases) {
      if (alias !== subscriptionId && !rows(alias)[0]?.renamedTo) rename(alias, subscriptionId);
    }
  }

  function rename(earlier: string, id: string): void {
    sql`REPLACE INTO subscriptions (id, events, renamed_to) VALUES (${earlier}, '[]', ${id})`;
    sql`UPDATE subscriptions SET renamed_to = ${id} WHERE renamed_to = ${earlier}`;
    sql`UPDATE deliveries SET subscription = ${id} WHERE subscription = ${earlier}`;
    sql`UPDATE OR REPLACE deduplication_ids SET subscription = ${id} WHERE subscription = ${earlier}`;
  }

  return {
    async declare(specs) {
      createRouter(specs); // Throws if a pattern is malformed.
      await write(() => specs.forEach(declare));
      // The bus declares every minute: the time to look for what is too old.
      for (const { subscriptionId } of specs) await trim(store, subscriptionId);
    },

    async list() {
      const orphanedAt = now() - store.context().orphanedAfterMs;
      const present = rows(null).filter(({ renamedTo }) => !renamedTo);
      return present.map((row) => ({
        subscriptionId: row.id,
        events: JSON.parse(row.events),
        aliases: JSON.parse(row.aliases),
        ordering: row.ordering,
        onOrderedFailure: row.onOrderedFailure,
        lastSeenAt: row.lastSeenAt,
        orphaned: row.lastSeenAt <= orphanedAt,
      }));
    },

    async retire(id, { events, backlog }) {
      const count = await write(() => {
        const [known] = rows(id);
        if (known?.renamedTo) return 0;
        const all: string[] = JSON.parse(known?.events ?? "[]");
        const left = events ? all.filter((event) => !events.includes(event)) : [];
        if (left.length > 0)
          sql`UPDATE subscriptions SET events = ${JSON.stringify(left)} WHERE id = ${id}`;
        else sql`DELETE FROM subscriptions WHERE ${id} IN (id, renamed_to)`;
        if (backlog === "keep") return 0;
        const unwanted = sql<Delivery>`SELECT * FROM deliveries WHERE subscription = ${id}
          AND died_at IS NULL AND leased_until <= ${now()}`.filter(({ envelope }) => {
          const { name } = decodeEnvelope(envelope);
          return !left.some((pattern) => matchesPattern(pattern, name));
        });
        const isKept = backlog === "dead-letter";
        for (const { id: one } of unwanted) {
          if (isKept)
            sql`UPDATE deliveries SET died_at = ${now()}, reason = 'retired', state = NULL, key = NULL
              WHERE id = ${one}`;
          else sql`DELETE FROM deliveries WHERE id = ${one}`;
        }
        return unwanted.length;
      });
      await trim(store, id);
      return count;
    },
  };
}

function union(known = "[]", added: readonly string[]): string {
  return JSON.stringify([...new Set([...JSON.parse(known), ...added])]);
}
