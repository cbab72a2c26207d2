import {
  type DeliveryContext,
  type Event,
  ReleaseDelivery,
  type Subscriber,
  type TransactionContext,
} from "@busbar/core";
import { type DeliveryRun, definePlugin, type Plugin } from "@busbar/core/plugin";
import { assertOptions, checks } from "@busbar/core/provider";
import type { SqlStore } from "@busbar/sql";
import {
  checkStore,
  deleteInParts,
  Housekeeping,
  isPassing,
  NEEDS_STORE,
  prepareTables,
  repeated,
  toColumn,
} from "@busbar/sql/feature";
import { TABLES } from "./migrate.ts";
import { outboxSql } from "./outbox-sql.ts";

/** Milliseconds after which an event comes again that another run has in flight. */
const AGAIN_AFTER_MS = 1_000;

/** @deprecated The same as `TransactionContext` of `@busbar/core`. */
export type OnceContext<Tx> = TransactionContext<Tx>;

/** Options of {@link once}. */
export interface OnceOptions<Tx> {
  /** The database that has the inbox, such as `pgStore({ pool })`. */
  readonly store: SqlStore<Tx>;
}

/**
 * Makes a subscriber that handles each event once: it runs within a transaction that also records its
 * subscription and the event's id. An event that comes again is acknowledged and not handled. A handler
 * that fails, or whose time is up, leaves neither effect nor mark. While another run has the same event in
 * its transaction, or the database is out of reach, the delivery is released and comes again: that is no
 * attempt.
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
  handler: (event: Event<T>, context: TransactionContext<Tx>) => void | Promise<void>,
  options: OnceOptions<Tx>,
): Subscriber<T> {
  if (typeof handler !== "function") throw new TypeError("once() needs a handler: a function");
  assertOptions("once()", options, { store: checkStore }, NEEDS_STORE);
  const { store } = options;
  return (event, context) => {
    if (context.subscriberId.endsWith("#anonymous")) {
      throw new TypeError("once() needs a subscriberId: anonymous subscribers share one");
    }
    return runOnce(store, event.id, context, (tx) => handler(event, withTx(context, tx)));
  };
}

/** Options of {@link inbox}. */
export interface InboxOptions<Tx> {
  /** The database that has the inbox, such as `pgStore({ pool })`. */
  readonly store: SqlStore<Tx>;
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
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider, plugins: [inbox({ store: pgStore({ pool }) })] });
 * ```
 */
export function inbox<Tx>(options: InboxOptions<Tx>): Plugin {
  const its = { store: checkStore, retentionMs: checks.milliseconds, migrate: checks.boolean };
  assertOptions("inbox()", options, its, NEEDS_STORE);
  const { store, retentionMs = 2_592_000_000, migrate: migrates = true } = options;
  const housekeeping = new Housekeeping(() => cleanInbox(store, retentionMs));
  return definePlugin({
    name: "inbox",
    async start({ logger }) {
      await prepareTables("inbox", store, TABLES, migrates);
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

/** Deletes inbox marks that are older than `olderThanMs`. Resolves with the number of deleted marks. */
export async function cleanInbox<Tx>(store: SqlStore<Tx>, olderThanMs: number): Promise<number> {
  const { inbox: table, now } = outboxSql(store);
  return deleteInParts(store, table, `handled_at < ${now} - CAST($1 AS bigint)`, [olderThanMs]);
}

/** On the context of a run: it is within the transaction of an inbox, which has the mark. */
const MARKED: unique symbol = Symbol.for("@busbar/outbox/marked");

type Run = DeliveryRun["context"] & { [MARKED]?: boolean };

async function runOnce<Tx>(
  store: SqlStore<Tx>,
  eventId: string,
  context: Run,
  work: (tx: Tx) => void | Promise<void>,
): Promise<void> {
  // A second mark of the same run would meet the first.
  if (context[MARKED]) return work(context.tx as Tx);
  let hasBegun = false;
  const isFree = await repeated(
    () =>
      store.transaction(async (tx) => {
        const mark = await markIn(store, tx, context.subscriberId, eventId);
        if (mark !== "new") return mark === "known";
        hasBegun = true;
        await work(tx);
        // A run whose time is up has failed, and will be tried again.
        context.signal.throwIfAborted();
        return true;
      }),
    () => !hasBegun,
  ).catch((cause: unknown) => {
    // The database's fault, and not the event's: nothing has run.
    if (hasBegun || !isPassing(cause)) throw cause;
    const message = `The inbox has no transaction for an event at the moment: ${(cause as Error).message}`;
    context.logger.warn({ err: cause }, message);
    throw new ReleaseDelivery(message, { delayMs: AGAIN_AFTER_MS, cause });
  });
  if (isFree) return;
  const message = `Another run of "${context.subscriberId}" has the event in hand`;
  throw new ReleaseDelivery(message, { delayMs: AGAIN_AFTER_MS });
}

/**
 * Marks an event as handled. It does not wait for another run that has the same event in its transaction:
 * that may stand still. In SQLite all transactions wait for each other.
 */
async function markIn<Tx>(
  store: SqlStore<Tx>,
  tx: Tx,
  subscriberId: string,
  eventId: string,
): Promise<"new" | "known" | "in hand"> {
  const { inbox: table, now } = outboxSql(store);
  const names = "(subscription_id, event_id, handled_at)";
  const values = `CAST($1 AS text), CAST($2 AS text), ${now}`;
  const parameters = [toColumn(subscriberId), toColumn(eventId)];
  if (store.dialect === "sqlite") {
    const marks = await store
      .within(tx)
      .execute(
        `INSERT INTO ${table} ${names} VALUES (${values}) ON CONFLICT DO NOTHING RETURNING 1 AS one`,
        parameters,
      );
    return marks.length > 0 ? "new" : "known";
  }
  const [row] = await store.within(tx).execute(
    `WITH turn AS MATERIALIZED (
        SELECT pg_try_advisory_xact_lock(hashtextextended(CAST($3 AS text), 0)) AS is_free),
      mark AS (
        INSERT INTO ${table} ${names} SELECT ${values} FROM turn WHERE is_free
        ON CONFLICT DO NOTHING RETURNING 1)
    SELECT is_free, EXISTS (SELECT FROM mark) AS is_new FROM turn`,
    [...parameters, JSON.stringify([table, ...parameters])],
  );
  if (row?.["is_free"] !== true) return "in hand";
  return row["is_new"] === true ? "new" : "known";
}

function withTx<Tx>(context: DeliveryContext, tx: Tx): TransactionContext<Tx> {
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
