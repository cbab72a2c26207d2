import type { Logger } from "@busbar/core";
import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { SqlExecutor, SqlRow } from "@busbar/sql";
import type { Catalogue } from "../catalogue/catalogue.ts";
import type { ActiveSubscriptions } from "../contract/active-subscriptions.ts";
import { isOneOf } from "../deliver/sql-parts.ts";
import { matchEvent, subscriptionsFor } from "../route/matching.ts";
import { Payload, type Payloads } from "../route/payloads.ts";
import { type RoutedEvent, RouteWriter } from "../route/route-writer.ts";
import { textOf, type WebhookStore, wholeOf } from "../store/webhook-store.ts";
import { beginAgain, type Beginning } from "./begin-again.ts";

/** What {@link Rematch} needs of the other parts of webhooks. */
export interface RematchParts {
  readonly store: WebhookStore;
  readonly catalogue: Catalogue;
  readonly payloads: Payloads;
  readonly active: ActiveSubscriptions;
  /** Has `active` know every change that was committed before. */
  readonly refresh: () => Promise<void>;
  readonly channel: string;
  readonly logger: Logger;
}

/** Matches events of the store with the subscriptions that there are now. */
export class Rematch {
  readonly #parts: RematchParts;
  readonly #writer: RouteWriter;

  constructor(parts: RematchParts) {
    this.#parts = parts;
    const { channel } = parts;
    this.#writer = new RouteWriter({ store: parts.store.store, channel, onWritten() {} });
  }

  /** Matches events. Those that have no payload any more, and those whose payload cannot be made, are left out. */
  async match(eventIds: readonly string[], signal: AbortSignal): Promise<readonly RoutedEvent[]> {
    const { store, refresh } = this.#parts;
    await refresh();
    const rows = await store.own.execute(
      `SELECT id, name, scope, ordering_key, args, payload, snapshot, metadata, occurred_at
        FROM ${store.tables.events}
        WHERE ${isOneOf(store.sql, "id", "$1", "text")} AND expunged = 0 ORDER BY number`,
      [JSON.stringify([...new Set(eventIds)])],
    );
    const routed: RoutedEvent[] = [];
    for (const row of rows) {
      const event = await this.#matchOne(row, signal);
      if (event && event.deliveries.length > 0) routed.push(event);
    }
    return routed;
  }

  /** Writes the deliveries that are new, and begins those again that were there. Resolves with how many there are. */
  async begin(
    executor: SqlExecutor,
    events: readonly RoutedEvent[],
    beginning: Beginning,
  ): Promise<number> {
    if (events.length === 0) return 0;
    const { store } = this.#parts;
    await this.#writer.writeWithin(executor, events);
    await this.#keepPayloads(executor, events);
    const ids = events.flatMap(({ deliveries }) => deliveries.map(({ id }) => id));
    return beginAgain(executor, store, ids, beginning);
  }

  async #matchOne(row: SqlRow, signal: AbortSignal): Promise<RoutedEvent | undefined> {
    const { active, logger } = this.#parts;
    const [id, name] = [String(row["id"]), String(row["name"])];
    const scope = textOf(row["scope"]);
    const [payload, snapshot] = [payloadOf(row["payload"]), payloadOf(row["snapshot"])];
    const args = textOf(row["args"]);
    const data = args === null ? (payload ?? snapshot)?.value : (JSON.parse(args) as JsonValue);
    const occurredAt = new Date(wholeOf(row["occurred_at"]));
    try {
      const { routed } = await matchEvent(
        {
          source: { id, name, scope, occurredAt, args: data ?? null },
          orderingKey: textOf(row["ordering_key"]),
          metadata: JSON.parse(String(row["metadata"])) as JsonObject,
          snapshot,
          payload,
          subscriptions: subscriptionsFor(active, name, scope, data),
        },
        this.#parts,
        signal,
      );
      return routed;
    } catch (err) {
      if (signal.aborted) throw err;
      logger.warn({ err, eventId: id }, "An event could not be matched again: it has no payload");
      return undefined;
    }
  }

  /** A payload that was made for the match is that of all attempts to come. */
  async #keepPayloads(executor: SqlExecutor, events: readonly RoutedEvent[]): Promise<void> {
    const { tables, sql } = this.#parts.store;
    const made = events.flatMap(({ id, payload }) => (payload === null ? [] : [{ id, payload }]));
    if (made.length === 0) return;
    const rows = sql.rows("$1", { id: "text", payload: "text" });
    await executor.execute(
      `UPDATE ${tables.events} AS events SET payload = it.payload, indexed = 0 FROM ${rows} AS it
        WHERE events.id = it.id AND events.payload IS NULL AND events.expunged = 0`,
      [JSON.stringify(made)],
    );
  }
}

function payloadOf(json: unknown): Payload | undefined {
  return typeof json === "string" ? new Payload(json) : undefined;
}
