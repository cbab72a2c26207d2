import type { Plugin } from "@busbar/core/plugin";
import { assertOptions, type Checks, checks, type Envelope } from "@busbar/core/provider";
import type { SqlStore } from "@busbar/sql";
import {
  channelOf,
  checkStore,
  CommitWatch,
  Housekeeping,
  Listener,
  NEEDS_STORE,
  prepareTables,
  quoteText,
} from "@busbar/sql/feature";
import { cancelEvent } from "./cancel-event.ts";
import { type DrainedOptions, whenDrained } from "./drained.ts";
import { type FailedEvents, failedEvents } from "./failed-events.ts";
import { OutboxGroupStaging } from "./group-staging.ts";
import { type OutboxInspection, inspectOutbox } from "./inspection.ts";
import { migrate, TABLES } from "./migrate.ts";
import { addRows } from "./outbox-rows.ts";
import { outboxSql } from "./outbox-sql.ts";
import { checkRelay, Relay, type RelayOptions } from "./relay.ts";
import { deleteOldRows } from "./retention.ts";

/** Options of {@link outbox}. */
export interface OutboxOptions<Tx> {
  /** The database that has the outbox, such as `pgStore({ pool })`. The plugin does not close it. */
  readonly store: SqlStore<Tx>;
  /**
   * Whether this process publishes what is in the outbox, and how. With `false` it only stages, and other
   * processes publish.
   *
   * @default true
   */
  readonly relay?: boolean | RelayOptions | undefined;
  /**
   * Whether a commit is announced by `NOTIFY`, on PostgreSQL. It makes the commits of emitting
   * transactions take turns for a moment; without it, events are found by polling.
   *
   * @default true
   */
  readonly notify?: boolean | undefined;
  /**
   * Whether groups are staged in the outbox, in the place of the provider's own staging.
   *
   * @default true
   */
  readonly groups?: boolean | undefined;
  /**
   * Whether `start` brings the tables up to date. Otherwise it only looks whether they are.
   *
   * @default true
   */
  readonly migrate?: boolean | undefined;
}

const OPTIONS: Checks<OutboxOptions<unknown>> = {
  store: checkStore,
  relay: (value) => (typeof value === "boolean" ? undefined : checkRelay(value)),
  notify: checks.boolean,
  groups: checks.boolean,
  migrate: checks.boolean,
};

/** The outbox of a bus: a plugin, and what one can ask of it. */
export interface Outbox extends Plugin {
  /** Looks for events now: for who knows of a commit that the outbox cannot hear of. */
  wake(): void;
  /**
   * Publishes nothing in this process until {@link Outbox.resume}. Resolves when what is being published
   * is. Staging goes on.
   */
  pause(): Promise<void>;
  /** Resumes publishing in this process after `pause`. */
  resume(): void;
  /**
   * Resolves once no committed event waits to be published: by this process or by another, and on a provider that
   * is not durable also settled. Delayed, staged and failed events do not count. Wakes the relay of this process.
   *
   * @throws BusbarError `BUSBAR_TIMEOUT` after `timeoutMs`.
   *
   * @example
   * ```ts
   * await db.transaction((tx) => bus.withTransaction(tx).emit("order.placed", { orderId: "42" }));
   * await plugin.drained();
   * await bus.settled();
   * ```
   */
  drained(options?: DrainedOptions): Promise<void>;
  /**
   * Brings the tables of outbox and inbox up to date, as `migrate(store)` does. May be called before the start.
   * Resolves with the versions that it applied.
   */
  migrate(): Promise<readonly number[]>;
  /** Returns counts that describe the state of the outbox. */
  inspect(): Promise<OutboxInspection>;
  /** The events that the relay has set aside: permanently rejected, or unreadable. */
  readonly failed: FailedEvents;
}

/**
 * Makes a plugin by which `bus.withTransaction(tx).emit(…)` writes events in the caller's own database
 * transaction, and which publishes them once it has committed.
 *
 * Its `start` rejects with `BUSBAR_UNAVAILABLE` when the database cannot be reached, and with
 * `BUSBAR_INVALID_CONFIG` when the tables are not up to date and `migrate` is false.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider, plugins: [outbox({ store: pgStore({ pool }) })] });
 * ```
 */
export function outbox<Tx>(options: OutboxOptions<Tx>): Outbox {
  assertOptions("outbox()", options, OPTIONS as Checks<OutboxOptions<Tx>>, NEEDS_STORE);
  const { store, relay: relayOptions = true, notify = true } = options;
  const sql = outboxSql(store);
  const announce = store.dialect === "postgres" && notify;
  const keepSentForMs = typeof relayOptions === "object" ? relayOptions.keepSentForMs : undefined;
  let relay: Relay<Tx> | undefined;
  let listener: Listener | undefined;
  const wake = (): void => relay?.wake();
  const commits = new CommitWatch(wake);
  const housekeeping = new Housekeeping((logger) => deleteOldRows(store, keepSentForMs, logger));
  const failed = failedEvents(store, wake);

  return {
    name: "outbox",
    staging: {
      delays: true,
      groups: options.groups === false ? undefined : new OutboxGroupStaging(store, announce, wake),
      async stage(transaction: unknown, envelopes: readonly Envelope[]) {
        const events = envelopes.map((envelope) => ({ envelope }));
        const options = { announce, isCallers: true };
        await addRows(store.within(transaction as Tx), sql, { events }, options);
        if (relay && !listener?.isConnected) commits.staged();
      },
      cancel: (eventId) => cancelEvent(store, eventId),
    },

    async start(context) {
      // A tool leaves the work to the processes of the application.
      if (context.role === "tool") return;
      await prepareTables("outbox", store, TABLES, options.migrate ?? true);
      housekeeping.start(context.logger);
      if (relayOptions === false) return;
      relay = new Relay(store, context, relayOptions === true ? {} : relayOptions);
      if (announce && store.listen) {
        const { listen } = store;
        const { logger } = context;
        const channel = channelOf(sql.outbox);
        const notify = (): Promise<unknown> =>
          // As text: not every driver reads what has no type.
          store.execute(
            `SELECT CAST(concat('', pg_notify(${quoteText(channel)}, '')) AS text) AS notified`,
          );
        listener = new Listener({
          feature: "outbox",
          listen,
          channel,
          logger,
          onNotify: wake,
          notify,
        });
        listener.start();
      }
      relay.start();
    },

    async stop({ graceMs }) {
      commits.stop();
      await Promise.all([housekeeping.stop(), listener?.stop(), relay?.stop(graceMs)]);
    },

    async stopped() {
      await relay?.close();
    },

    async serverTime() {
      const [row] = await store.execute(`SELECT CAST(${sql.now} AS double precision) AS time`);
      return row?.["time"] as number;
    },

    wake,
    pause: async () => relay?.pause(),
    resume: () => relay?.resume(),
    async drained(options = {}) {
      assertOptions("drained()", options, { timeoutMs: checks.milliseconds });
      const { timeoutMs = 10_000 } = options;
      wake();
      await whenDrained(store, timeoutMs);
    },
    migrate: () => migrate(store),
    inspect: () => inspectOutbox(store, relay),
    failed,
  };
}
