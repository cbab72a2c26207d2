import {
  type DeliveryContext,
  type DeliveryRun,
  definePlugin,
  type Event,
  type Plugin,
  type Subscriber,
} from "@busbar/core";
import { Housekeeping } from "./housekeeping.ts";
import { assertMigrated, migrate } from "./migrate.ts";
import { sqlOf } from "./sql.ts";
import type { OutboxStore } from "./store.ts";
import { toColumn } from "./text-column.ts";

/** What a handler within {@link once} knows of its run. */
export interface OnceContext<Tx> extends DeliveryContext {
  /**
   * The transaction that holds the mark of this event. What the handler writes within it happens once.
   */
  readonly tx: Tx;
}

/** Options of {@link once}. */
export interface OnceOptions<Tx> {
  readonly store: OutboxStore<Tx>;
}

/**
 * Makes a subscriber that handles each event once: it runs within a transaction that also records its
 * subscription and the event's id. An event that comes again is acknowledged and not handled. A handler
 * that fails, or whose time is up, leaves neither effect nor mark.
 *
 * The subscription needs a `subscriberId`, and one handler per event. On a bus that has an inbox, the
 * transaction is the inbox's. On SQLite the handler holds the file's only write lock: within it, write
 * by `context.tx` only, and emit by `withTransaction(context.tx)`.
 *
 * @example
 * ```ts
 * bus.subscribe("order.placed", once(addToLedger, { store }), { subscriberId: "ledger" });
 * ```
 */
export function once<T, Tx>(
  handler: (event: Event<T>, context: OnceContext<Tx>) => void | Promise<void>,
  { store }: OnceOptions<Tx>,
): Subscriber<T> {
  return (event, context) => {
    if (context.subscriberId.endsWith("#anonymous")) {
      throw new TypeError("once() needs a subscriberId: anonymous subscribers share one");
    }
    return runOnce(store, event.id, context, (tx) => handler(event, withTx(context, tx)));
  };
}

/** Options of {@link inbox}. */
export interface InboxOptions<Tx> {
  readonly store: OutboxStore<Tx>;
  /**
   * Milliseconds for which it is remembered that an event was handled.
   *
   * @default 2_592_000_000 (30 days)
   */
  readonly retentionMs?: number | undefined;
  /**
   * Whether `start` brings the tables up to date. Otherwise it only looks whether they are.
   *
   * @default true
   */
  readonly migrate?: boolean | undefined;
}

/**
 * Makes a plugin that does for every subscription of the bus what {@link once} does for one: handlers
 * find the transaction in `context.tx`. Marks older than `retentionMs` are deleted.
 */
export function inbox<Tx>(options: InboxOptions<Tx>): Plugin {
  const { store, retentionMs = 2_592_000_000, migrate: migrates = true } = options;
  const housekeeping = new Housekeeping(() => cleanInbox(store, retentionMs));
  return definePlugin({
    name: "inbox",
    async start({ logger }) {
      await (migrates ? migrate(store) : assertMigrated(store));
      housekeeping.start(logger);
    },
    stop: () => housekeeping.stop(),
    middleware: ({ event, context }, next) =>
      runOnce(store, event.id, context, async (tx) => {
        Object.assign(context, { tx, [MARKED]: true });
        await next();
      }),
  });
}

/** Forgets events that were handled longer ago than that. Resolves with how many. */
export async function cleanInbox<Tx>(store: OutboxStore<Tx>, olderThanMs: number): Promise<number> {
  const { inbox: table, now } = sqlOf(store);
  const rows = await store.execute(
    `DELETE FROM ${table} WHERE handled_at < ${now} - CAST($1 AS bigint) RETURNING 1 AS one`,
    [olderThanMs],
  );
  return rows.length;
}

/** On the context of a run: it is within the transaction of an inbox, which has the mark. */
const MARKED: unique symbol = Symbol.for("@busbar/outbox/marked");

type Run = DeliveryRun["context"] & { [MARKED]?: boolean };

async function runOnce<Tx>(
  store: OutboxStore<Tx>,
  eventId: string,
  context: Run,
  work: (tx: Tx) => void | Promise<void>,
): Promise<void> {
  // A second mark of the same run would wait for the end of the first one's transaction.
  if (context[MARKED]) return work(context.tx as Tx);
  const { inbox: table, now } = sqlOf(store);
  await store.transaction(async (tx) => {
    // Where another run has the same event in hand, this waits for the end of its transaction.
    const marks = await store.within(tx).execute(
      `INSERT INTO ${table} (subscription_id, event_id, handled_at)
      VALUES (CAST($1 AS text), CAST($2 AS text), ${now}) ON CONFLICT DO NOTHING RETURNING 1 AS one`,
      [toColumn(context.subscriberId), toColumn(eventId)],
    );
    if (marks.length === 0) return;
    await work(tx);
    // A run whose time is up has failed, and will be tried again.
    context.signal.throwIfAborted();
  });
}

function withTx<Tx>(context: DeliveryContext, tx: Tx): OnceContext<Tx> {
  return {
    tx,
    attempt: context.attempt,
    subscriberId: context.subscriberId,
    // These are made when they are first read.
    get signal() {
      return context.signal;
    },
    get container() {
      return context.container;
    },
    get logger() {
      return context.logger;
    },
  };
}
