import type { ProviderContext, Timer } from "@busbar/core/provider";
import { isConflict, isPassing, toColumn } from "@busbar/sql/feature";
import type { Database } from "../database.ts";
import type { RowInFlight } from "./row-in-flight.ts";
import { createSettleStatement } from "./settle-statement.ts";

/** Milliseconds for which acknowledgements wait for others of their row. */
const CHECKPOINT_MS = 100;
/** Rows that one statement settles at most. */
const MOST_ROWS = 1_000;
/** Milliseconds before a settlement that failed is tried again; doubles up to the longest. */
const RETRY_AFTER_MS = 50;
const RETRY_AFTER_AT_MOST_MS = 2_000;

/** Records what has become of deliveries, those of all consumers together. */
export interface Settlements {
  /** Records what a row has to record: at once if it is more than some acknowledgements. */
  changed(row: RowInFlight): void;
  /** Records what a row has to record at once, and resolves when that is done. */
  record(row: RowInFlight): Promise<void>;
  /** Resolves once everything that rows have to record now is recorded. */
  flush(): Promise<void>;
  /** Ends the timer. */
  close(): void;
}

/** What {@link createSettlements} needs. */
export interface SettlementsOptions {
  readonly context: Pick<ProviderContext, "clock" | "logger">;
  readonly database: Database;
  /** Gets the queues in which deliveries wait again. */
  readonly onWaiting: (queues: readonly number[]) => void;
  /** Gets packs of which a row has gone. */
  readonly onGone: (packs: readonly number[]) => void;
}

type Batch = readonly RowInFlight["settlement"][];

/** Makes the settlements of a provider. One statement at a time is under way, and takes what has come meanwhile. */
export function createSettlements(options: SettlementsOptions): Settlements {
  const { context, database, onWaiting, onGone } = options;
  const { clock, logger } = context;
  const statement = createSettleStatement(database);
  /** Rows that are to be recorded now. */
  const urgent = new Set<RowInFlight>();
  /** Rows of which some lines are acknowledged: soon there will be more. */
  const partial = new Set<RowInFlight>();
  let batchUnderWay: Promise<void> | undefined;
  let isWorking = false;
  let checkpoint: Timer | undefined;
  let retry: Timer | undefined;
  let hurry: (() => void) | undefined;
  let isClosed = false;

  async function execute(batch: Batch): Promise<void> {
    const rows = batch.map(({ row }, position) => ({ position, ...row, left_over: row.left }));
    const again = batch.flatMap((it) => it.again).map((it, position) => ({ position, ...it }));
    const dead = batch
      .flatMap((it) => it.dead)
      .map((it, position) => ({ position, ...it, reason: toColumn(it.reason) }));
    const values = [rows, again, dead].map((it) => JSON.stringify(it));
    const [answer] = await database.execute(statement, values, { isFrequent: true });
    for (const it of batch) it.recorded();
    const packs = JSON.parse(answer?.["packs"] as string) as readonly number[];
    const queues = JSON.parse(answer?.["queues"] as string) as readonly number[];
    if (packs.length > 0) onGone(packs);
    if (queues.length > 0) onWaiting(queues);
  }

  /** Repeats the very same settlements until the database has answered: what it did in between is seen by `before`. */
  async function settle(batch: Batch): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await execute(batch);
      } catch (err) {
        if (!isPassing(err) && !isConflict(err) && batch.length > 1) return settleApart(batch);
        logger.warn({ err }, "Deliveries could not be settled; will try again");
        if (isClosed) return;
      }
      await pause(Math.min(RETRY_AFTER_MS * 2 ** failures, RETRY_AFTER_AT_MOST_MS));
    }
  }

  /** One of them cannot be recorded, and the others must not wait for it. */
  async function settleApart(batch: Batch): Promise<void> {
    for (const it of batch) {
      try {
        await execute([it]);
      } catch (err) {
        logger.error({ err }, "A delivery could not be settled; it comes again after a restart");
        it.recorded();
      }
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      hurry = resolve;
      retry = clock.setTimeout(resolve, ms);
    });
  }

  async function work(): Promise<void> {
    // What comes in this turn of the event loop leaves together.
    await Promise.resolve();
    while (urgent.size > 0 && !isClosed) {
      const rows = [...urgent].slice(0, MOST_ROWS);
      for (const row of rows) urgent.delete(row);
      batchUnderWay = settle(rows.map((row) => row.settlement));
      await batchUnderWay;
    }
    isWorking = false;
  }

  function start(): void {
    if (isWorking) return;
    isWorking = true;
    void work();
  }

  function recordPartial(): void {
    checkpoint?.cancel();
    checkpoint = undefined;
    for (const row of partial) urgent.add(row);
    partial.clear();
    start();
  }

  function hurryUp(row: RowInFlight): void {
    partial.delete(row);
    urgent.add(row);
    start();
  }

  return {
    changed(row) {
      if (row.isDone) hurryUp(row);
      else if (!urgent.has(row)) {
        partial.add(row);
        checkpoint ??= clock.setTimeout(recordPartial, CHECKPOINT_MS);
      }
    },

    record(row) {
      hurryUp(row);
      return row.whenRecorded();
    },

    async flush() {
      recordPartial();
      await Promise.all([batchUnderWay, ...[...urgent].map((row) => row.whenRecorded())]);
    },

    close() {
      isClosed = true;
      checkpoint?.cancel();
      retry?.cancel();
      hurry?.();
    },
  };
}
