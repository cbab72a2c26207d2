import type { SqlExecutor, SqlStore } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";
import type { PayloadMode } from "../contract/subscription.ts";

/** Events that are written in one transaction at most, and characters of their payloads. */
const MOST_EVENTS = 500;
const MOST_CHARACTERS = 8_000_000;

/** An event that was matched, with what it is delivered as. */
export interface RoutedEvent {
  readonly id: string;
  readonly name: string;
  readonly scope: string | null;
  readonly orderingKey: string | null;
  /** JSON. Null if the arguments are the payload. */
  readonly args: string | null;
  /** JSON. Null while no delivery needs it. */
  readonly payload: string | null;
  /** JSON. The payload of the time of the emit. Null while no delivery needs it. */
  readonly snapshot: string | null;
  /** JSON. */
  readonly metadata: string;
  readonly occurredAt: number;
  readonly deliveries: readonly RoutedDelivery[];
}

/** A delivery of a {@link RoutedEvent}. */
export interface RoutedDelivery {
  readonly id: string;
  readonly subscriptionId: string;
  readonly subscriptionVersion: number;
  readonly payloadMode: PayloadMode;
  /** What its order is kept by. Null: no order. */
  readonly orderingKey: string | null;
  /** Whether a failure is final. */
  readonly noRetry: boolean;
}

/** One row to be written, and the event that it belongs to. */
interface DeliveryOf extends RoutedDelivery {
  readonly event: RoutedEvent;
  readonly sequence: number | null;
}

interface Waiting {
  readonly event: RoutedEvent;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Options of {@link RouteWriter}. */
export interface RouteWriterOptions {
  readonly store: SqlStore;
  /** The PostgreSQL channel on which dispatchers of other processes listen. */
  readonly channel: string;
  /** Called when deliveries have been committed. */
  readonly onWritten: () => void;
}

/**
 * Writes events with their deliveries. Events that arrive while a transaction is under way are written together in the
 * next one. An event or a delivery that is there already is left as it is.
 */
export class RouteWriter {
  readonly #options: RouteWriterOptions;
  readonly #own: OwnWork<unknown>;
  readonly #sql: Sql;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(options: RouteWriterOptions) {
    this.#options = options;
    this.#own = new OwnWork(options.store);
    this.#sql = sqlOf(options.store);
  }

  /** Resolves once the event and its deliveries are committed. */
  write(event: RoutedEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      if (!this.#isWriting) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) await this.#writeTogether(this.#take());
    this.#isWriting = false;
  }

  #take(): readonly Waiting[] {
    let count = 0;
    let characters = 0;
    for (const { event } of this.#waiting) {
      characters += (event.args?.length ?? 0) + (event.payload?.length ?? 0);
      if (count > 0 && (count === MOST_EVENTS || characters > MOST_CHARACTERS)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Never rejects. If the transaction fails because of one event, the others are not to fail with it. */
  async #writeTogether(batch: readonly Waiting[]): Promise<void> {
    try {
      const written = await this.#own.transaction((own) =>
        this.writeWithin(
          own,
          batch.map(({ event }) => event),
        ),
      );
      if (written > 0) this.#options.onWritten();
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (batch.length > 1 && isAboutData(error)) {
        for (const one of batch) await this.#writeTogether([one]);
      } else {
        for (const { reject } of batch) reject(error);
      }
    }
  }

  /** Writes events in a transaction of the caller's. Resolves with the number of their deliveries. */
  async writeWithin(own: SqlExecutor, events: readonly RoutedEvent[]): Promise<number> {
    const present = await this.#lockSubscriptions(own, events);
    const unordered = events.flatMap((event) =>
      event.deliveries
        .filter(({ subscriptionId }) => present.has(subscriptionId))
        .map((delivery) => ({ ...delivery, event, sequence: null })),
    );
    if (unordered.length === 0) return 0;
    const deliveries = await this.#withSequences(own, unordered);
    const wanted = new Set(deliveries.map(({ event }) => event));
    await this.#insertEvents(
      own,
      events.filter((event) => wanted.has(event)),
    );
    await this.#insertDeliveries(own, deliveries);
    if (this.#sql.dialect === "postgres") {
      await own.execute("SELECT CAST(concat('', pg_notify($1, '')) AS text) AS notified", [
        this.#options.channel,
      ]);
    }
    return deliveries.length;
  }

  /**
   * The subscriptions that have not been deleted since the events were matched. Whoever deletes one of them meanwhile
   * waits for the end of the transaction, and so finds its deliveries.
   */
  async #lockSubscriptions(
    own: SqlExecutor,
    events: readonly RoutedEvent[],
  ): Promise<ReadonlySet<unknown>> {
    const { table, list, dialect } = this.#sql;
    const ids = new Set(events.flatMap((it) => it.deliveries.map((each) => each.subscriptionId)));
    const rows = await own.execute(
      `SELECT id FROM ${table("busbar_webhook_subscriptions")}
        WHERE id IN ${list("$1", "text")} AND deleted_at IS NULL
        ORDER BY number ${dialect === "postgres" ? "FOR SHARE" : ""}`,
      [JSON.stringify([...ids])],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** Numbers the ordered deliveries of each key, but for those that are there already. */
  async #withSequences(
    own: SqlExecutor,
    deliveries: readonly DeliveryOf[],
  ): Promise<readonly DeliveryOf[]> {
    const ordered = deliveries.filter(({ orderingKey }) => orderingKey !== null);
    if (ordered.length === 0) return deliveries;
    const known = await this.#knownAmong(own, ordered);
    const fresh = ordered.filter(({ id }) => !known.has(id));
    const next = await this.#takeNumbers(own, byKey(fresh));
    return deliveries
      .filter(({ id }) => !known.has(id))
      .map((delivery) => {
        if (delivery.orderingKey === null) return delivery;
        const key = keyOf(delivery);
        const sequence = next.get(key) as number;
        next.set(key, sequence + 1);
        return { ...delivery, sequence };
      });
  }

  async #knownAmong(
    own: SqlExecutor,
    deliveries: readonly DeliveryOf[],
  ): Promise<ReadonlySet<unknown>> {
    const { table, list } = this.#sql;
    const rows = await own.execute(
      `SELECT id FROM ${table("busbar_webhook_deliveries")} WHERE id IN ${list("$1", "text")}`,
      [JSON.stringify(deliveries.map(({ id }) => id))],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** The first of the numbers that each key gets. Others who number the same key wait for the end of the transaction. */
  async #takeNumbers(
    own: SqlExecutor,
    keys: ReadonlyMap<string, readonly DeliveryOf[]>,
  ): Promise<Map<string, number>> {
    const { table, rows, now } = this.#sql;
    // In one order, so that no two transactions wait for each other.
    const wanted = [...keys].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const values = wanted.map(([, [first, ...others]], position) => ({
      position,
      subscription_id: first!.subscriptionId,
      ordering_key: first!.orderingKey,
      quantity: others.length + 1,
    }));
    const columns = { subscription_id: "text", ordering_key: "text", quantity: "bigint" } as const;
    const last = await own.execute(
      `INSERT INTO ${table("busbar_webhook_sequences")} AS sequences
        (subscription_id, ordering_key, last, used_at)
        SELECT subscription_id, ordering_key, quantity, ${now} FROM ${rows("$1", columns)} AS it
        WHERE true ORDER BY position
        ON CONFLICT (subscription_id, ordering_key)
        DO UPDATE SET last = sequences.last + excluded.last, used_at = excluded.used_at
        RETURNING subscription_id, ordering_key, last`,
      [JSON.stringify(values)],
    );
    return new Map(
      last.map((row) => {
        const key = keyOf({
          subscriptionId: row["subscription_id"] as string,
          orderingKey: row["ordering_key"] as string,
        });
        return [key, Number(row["last"]) - (keys.get(key) ?? []).length + 1];
      }),
    );
  }

  async #insertEvents(own: SqlExecutor, events: readonly RoutedEvent[]): Promise<void> {
    const values = events.map((event, position) => ({
      position,
      id: event.id,
      name: event.name,
      scope: event.scope,
      ordering_key: event.orderingKey,
      args: event.args,
      payload: event.payload,
      snapshot: event.snapshot,
      metadata: event.metadata,
      occurred_at: event.occurredAt,
    }));
    await this.#insert(own, "busbar_webhook_events", EVENT_COLUMNS, values, {
      created_at: this.#sql.now,
    });
  }

  async #insertDeliveries(own: SqlExecutor, deliveries: readonly DeliveryOf[]): Promise<void> {
    const { now } = this.#sql;
    const values = deliveries.map((delivery, position) => ({
      position,
      id: delivery.id,
      event_id: delivery.event.id,
      subscription_id: delivery.subscriptionId,
      subscription_version: delivery.subscriptionVersion,
      event_name: delivery.event.name,
      scope: delivery.event.scope,
      payload_mode: delivery.payloadMode,
      no_retry: delivery.noRetry ? 1 : 0,
      ordering_key: delivery.orderingKey,
      sequence: delivery.sequence,
    }));
    await this.#insert(own, "busbar_webhook_deliveries", DELIVERY_COLUMNS, values, {
      state: "'waiting'",
      due_at: now,
      next_trigger: "'first'",
      created_at: now,
    });
  }

  /** Inserts the rows that are not there yet, in their order. `others` are expressions that are the same for all. */
  async #insert(
    own: SqlExecutor,
    name: string,
    columns: Readonly<Record<string, "text" | "bigint">>,
    values: readonly object[],
    others: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { table, rows } = this.#sql;
    const names = Object.keys(columns);
    await own.execute(
      `INSERT INTO ${table(name)} (${[...names, ...Object.keys(others)].join(", ")})
        SELECT ${[...names, ...Object.values(others)].join(", ")}
        FROM ${rows("$1", columns)} AS it WHERE true ORDER BY position
        ON CONFLICT DO NOTHING`,
      [JSON.stringify(values)],
    );
  }
}

const EVENT_COLUMNS = {
  id: "text",
  name: "text",
  scope: "text",
  ordering_key: "text",
  args: "text",
  payload: "text",
  snapshot: "text",
  metadata: "text",
  occurred_at: "bigint",
} as const;

const DELIVERY_COLUMNS = {
  id: "text",
  event_id: "text",
  subscription_id: "text",
  subscription_version: "bigint",
  event_name: "text",
  scope: "text",
  payload_mode: "text",
  no_retry: "bigint",
  ordering_key: "text",
  sequence: "bigint",
} as const;

function byKey(deliveries: readonly DeliveryOf[]): ReadonlyMap<string, readonly DeliveryOf[]> {
  const keys = new Map<string, DeliveryOf[]>();
  for (const delivery of deliveries) {
    const key = keyOf(delivery);
    const others = keys.get(key);
    if (others) others.push(delivery);
    else keys.set(key, [delivery]);
  }
  return keys;
}

function keyOf({
  subscriptionId,
  orderingKey,
}: Pick<RoutedDelivery, "subscriptionId" | "orderingKey">): string {
  return JSON.stringify([subscriptionId, orderingKey]);
}

/** Whether the database refuses what was to be written, so that a repetition would not help. */
export function isAboutData(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string")
    return false;
  return /^(2[23]\w{3}|SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)\w*)$/.test(error.code);
}
