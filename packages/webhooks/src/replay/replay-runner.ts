import type { Logger } from "@busbar/core";
import { safeError, systemClock } from "@busbar/core/provider";
import type { SqlExecutor, SqlRow } from "@busbar/sql";
import { Waker } from "@busbar/sql/feature";
import type { WebhookDelivery } from "../contract/delivery.ts";
import type { PageOf } from "../contract/subscription.ts";
import { isAboutData, type RoutedEvent } from "../route/route-writer.ts";
import { searchDeliveries } from "../search/log-search.ts";
import { isLuceneError } from "../search/lucene-error.ts";
import { textOf, type WebhookStore, wholeOf } from "../store/webhook-store.ts";
import { announce, beginAgain } from "./begin-again.ts";
import type { Rematch } from "./rematch.ts";
import { type StoredOptions, storedOptionsOf } from "./replay-rows.ts";

/** Deliveries that are begun in one transaction, and events that are matched for one: their payloads are in memory. */
const MOST_DELIVERIES = 500;
const MOST_EVENTS = 50;
/** Parts into which a second is divided when deliveries are begun at a rate. */
const PARTS_OF_SECOND = 5;
/** Milliseconds before the next try when a replay could not go on. */
const AGAIN_AFTER_MS = 5_000;

/** What {@link ReplayRunner} needs. */
export interface ReplayRunnerOptions {
  readonly store: WebhookStore;
  readonly rematch: Rematch;
  readonly logger: Logger;
  /** Whether there is a search index. */
  readonly hasIndex: boolean;
  /** The PostgreSQL channel on which dispatchers of other processes listen. */
  readonly channel: string;
  /** Called when deliveries have been begun again. */
  readonly onBegun: () => void;
  /**
   * Milliseconds after which a step of a replay goes to another process.
   *
   * @default 60_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds between two looks for replays of other processes.
   *
   * @default 5_000
   */
  readonly pollEveryMs?: number | undefined;
}

/** A replay of which this process does the next step. */
interface Job {
  readonly number: number;
  readonly options: StoredOptions;
  readonly position: string | null;
}

/** What a step is to begin. */
interface Step {
  readonly page: PageOf<WebhookDelivery>;
  /** The events of the deliveries, matched anew. Undefined for the deliveries as they are. */
  readonly events: readonly RoutedEvent[] | undefined;
}

/**
 * Goes on with replays: step by step, each in one transaction that notes how far the replay is. So a step that is
 * interrupted is done by another process, and the replay goes on with the delivery that comes next. Several replays take
 * turns.
 */
export class ReplayRunner {
  readonly #options: ReplayRunnerOptions;
  readonly #store: WebhookStore;
  readonly #claim: string = crypto.randomUUID();
  readonly #waker = new Waker(systemClock);
  readonly #stopper = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(options: ReplayRunnerOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** There may be a replay to go on with. */
  wake(): void {
    this.#waker.wake();
  }

  /** Ends the work in the background. Resolves when the step under way has ended. */
  async stop(): Promise<void> {
    this.#stopper.abort();
    this.wake();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { pollEveryMs = 5_000, logger } = this.#options;
    const { signal } = this.#stopper;
    while (!signal.aborted) {
      let waitMs = pollEveryMs;
      try {
        const job = await this.#next();
        if (job) {
          await this.#attempt(job);
          continue;
        }
        waitMs = Math.min(waitMs, await this.#dueIn());
        this.#hasFailed = false;
      } catch (err) {
        if (!this.#hasFailed) logger.warn({ err }, "Webhook replays cannot go on at the moment");
        this.#hasFailed = true;
      }
      if (!signal.aborted) await this.#waker.wait(waitMs);
    }
  }

  /** Takes the replay that is due first. */
  async #next(): Promise<Job | undefined> {
    const { own, tables, sql } = this.#store;
    const { leaseMs = 60_000 } = this.#options;
    const isDue = `state = 'running' AND leased_until <= ${sql.now}`;
    const [row] = await own.execute(
      `UPDATE ${tables.replays} SET claim = $1, leased_until = ${sql.now} + CAST($2 AS bigint)
        WHERE number = (SELECT number FROM ${tables.replays} WHERE ${isDue}
          ORDER BY leased_until, number LIMIT 1 ${sql.skipLocked})
        RETURNING number, options, position`,
      [this.#claim, leaseMs],
    );
    return row && jobOf(row);
  }

  /** Milliseconds until a replay is due. */
  async #dueIn(): Promise<number> {
    const { own, tables, sql } = this.#store;
    const [row] = await own.execute(
      `SELECT min(leased_until) - ${sql.now} AS due_in FROM ${tables.replays} WHERE state = 'running'`,
    );
    const dueIn = row?.["due_in"] ?? null;
    return dueIn === null ? Number.POSITIVE_INFINITY : Math.max(1, wholeOf(dueIn));
  }

  async #attempt(job: Job): Promise<void> {
    const { logger, onBegun } = this.#options;
    try {
      const step = await this.#read(job);
      const begun = await this.#store.own.transaction((own) => this.#begin(own, job, step));
      if (begun > 0) onBegun();
    } catch (error) {
      if (this.#stopper.signal.aborted) return this.#postpone(job, 0);
      if (isLuceneError(error) || isAboutData(error)) return this.#fail(job, error);
      logger.warn({ err: error }, "A webhook replay cannot go on at the moment");
      await this.#postpone(job, AGAIN_AFTER_MS);
    }
  }

  async #read({ options, position }: Job): Promise<Step> {
    const { hasIndex, rematch } = this.#options;
    const { to, perSecond = Number.POSITIVE_INFINITY } = options;
    const most = to === "matched" ? MOST_EVENTS : MOST_DELIVERIES;
    const page = await searchDeliveries(
      this.#store.store,
      { ...options, index: hasIndex, order: "oldest first" },
      {
        limit: Math.min(most, Math.ceil(perSecond / PARTS_OF_SECOND)),
        cursor: position ?? undefined,
      },
    );
    if (to === "original") return { page, events: undefined };
    const eventIds = page.items.map(({ eventId }) => eventId);
    return { page, events: await rematch.match(eventIds, this.#stopper.signal) };
  }

  /** Begins deliveries, and notes it. Resolves with how many, which is none if the replay is no longer this process's. */
  async #begin(own: SqlExecutor, job: Job, { page, events }: Step): Promise<number> {
    const { tables, forUpdate, sql } = this.#store;
    const { rematch, channel } = this.#options;
    const [replay] = await own.execute(
      `SELECT id FROM ${tables.replays}
        WHERE number = $1 AND state = 'running' AND claim = $2 ${forUpdate}`,
      [job.number, this.#claim],
    );
    if (!replay) return 0;
    const beginning = { replayId: String(replay["id"]), trigger: "replay" } as const;
    const begun = events
      ? await rematch.begin(own, events, beginning)
      : await beginAgain(
          own,
          this.#store,
          page.items.map(({ id }) => id),
          beginning,
        );
    const { perSecond } = job.options;
    const waitMs = perSecond === undefined ? 0 : Math.ceil((begun * 1_000) / perSecond);
    const isOver = page.cursor === null;
    await own.execute(
      `UPDATE ${tables.replays} SET done = done + $2, skipped = skipped + $3, position = $4,
          claim = NULL, leased_until = ${sql.now} + CAST($5 AS bigint)
          ${isOver ? `, state = 'done', finished_at = ${sql.now}` : ""}
        WHERE number = $1`,
      [job.number, begun, skippedOf(page, events, begun), page.cursor ?? job.position, waitMs],
    );
    if (begun > 0) await announce(own, this.#store, channel);
    return begun;
  }

  /** Lets the replay be gone on with after some time. If that cannot be written, the lease ends by itself. */
  async #postpone({ number }: Job, afterMs: number): Promise<void> {
    const { own, tables, sql } = this.#store;
    await own.execute(
      `UPDATE ${tables.replays} SET claim = NULL, leased_until = ${sql.now} + CAST($3 AS bigint)
        WHERE number = $1 AND claim = $2`,
      [number, this.#claim, afterMs],
    );
  }

  async #fail({ number }: Job, cause: unknown): Promise<void> {
    const { own, tables, sql } = this.#store;
    await own.execute(
      `UPDATE ${tables.replays} SET state = 'failed', claim = NULL, finished_at = ${sql.now}, error = $3
        WHERE number = $1 AND claim = $2`,
      [number, this.#claim, safeError(cause).message],
    );
  }
}

function jobOf(row: SqlRow): Job {
  return {
    number: wholeOf(row["number"]),
    options: storedOptionsOf(row),
    position: textOf(row["position"]),
  };
}

function skippedOf(
  { items }: PageOf<WebhookDelivery>,
  events: readonly RoutedEvent[] | undefined,
  begun: number,
): number {
  if (!events) return items.length - begun;
  const wanted = new Set(events.map(({ id }) => id));
  return items.filter(({ eventId }) => !wanted.has(eventId)).length;
}
