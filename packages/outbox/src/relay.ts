import type { Logger } from "@busbar/core";
import type { PluginContext } from "@busbar/core/plugin";
import {
  checks,
  type OptionCheck,
  optionsWithin,
  systemClock,
  type Timer,
} from "@busbar/core/provider";
import type { SqlStore } from "@busbar/sql";
import { pauseAfter, Waker } from "@busbar/sql/feature";
import { publishBatch } from "./batch.ts";
import { InHand } from "./in-hand.ts";
import { Rate } from "./rate.ts";
import { type ClaimedRow, type FailedRow, RelayStatements } from "./relay-statements.ts";

/** Milliseconds until keys are looked at again that another relay claimed at the same moment. */
const KEYS_AGAIN_AFTER_MS = 25;
/** Milliseconds for which settled events are collected before their rows are taken out. */
const COLLECT_FOR_MS = 10;
const LEASE_IS_OVER = "The lease on the claimed rows ended before they could be published";

/** Options of the loop that publishes. */
export interface RelayOptions {
  /**
   * Rows that are claimed and published at once.
   *
   * @default 1_000
   */
  readonly batchSize?: number | undefined;
  /**
   * Milliseconds between two looks for rows without a notification.
   *
   * @default 3_000
   */
  readonly pollEveryMs?: number | undefined;
  /**
   * Milliseconds after which the rows in the hand of a process that has died go to another. Renewed
   * while it lives.
   *
   * @default 30_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Rows that are published and wait for their events to be settled, on a provider that is not durable.
   *
   * @default 10_000
   */
  readonly maxUnsettled?: number | undefined;
  /**
   * Milliseconds for which rows are kept that were published. Deleted at once by default.
   */
  readonly keepSentForMs?: number | undefined;
}

/** Checks {@link RelayOptions}. */
export const checkRelay: OptionCheck = optionsWithin<RelayOptions>({
  batchSize: checks.wholeFrom(1),
  pollEveryMs: checks.positive,
  leaseMs: checks.positive,
  maxUnsettled: checks.wholeFrom(1),
  keepSentForMs: checks.milliseconds,
});

/** What a {@link Relay} is doing. `waiting` is after a failure, until it tries again. */
export type RelayState = "stopped" | "running" | "paused" | "waiting";

/** Publishes the rows of the outbox, and takes them out. */
export class Relay<Tx> {
  readonly rate: Rate = new Rate(systemClock);
  lastError: unknown = undefined;
  readonly #context: PluginContext;
  readonly #logger: Logger;
  readonly #statements: RelayStatements<Tx>;
  readonly #options: {
    readonly batchSize: number;
    readonly pollEveryMs: number;
    readonly leaseMs: number;
    readonly maxUnsettled: number;
    readonly keepsSent: boolean;
  };
  readonly #inHand = new InHand();
  readonly #waker = new Waker(systemClock);
  /** Ends a wait after a failure: only a stop does. */
  readonly #stopper = new Waker(systemClock);
  #state: RelayState = "stopped";
  #isPaused = false;
  #isStopping = false;
  #loop: Promise<void> = Promise.resolve();
  /** The round that is under way, or was last. */
  #underWay: Promise<unknown> = Promise.resolve();
  #flush: Timer | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #renewal: Timer | undefined;
  #stopListening: (() => void) | undefined;
  /** It waits until being settled makes room. */
  #isFull = false;
  /** It may have rows that it does not know of: the answer to a claim was lost, or rows were not given back. */
  #isUnsure = false;

  constructor(store: SqlStore<Tx>, context: PluginContext, options: RelayOptions) {
    const { batchSize = 1_000, pollEveryMs = 3_000, leaseMs = 30_000 } = options;
    const { maxUnsettled = 10_000, keepSentForMs } = options;
    const keepsSent = keepSentForMs !== undefined;
    this.#options = { batchSize, pollEveryMs, leaseMs, maxUnsettled, keepsSent };
    this.#context = context;
    this.#logger = context.logger;
    this.#statements = new RelayStatements(store, leaseMs);
  }

  get state(): RelayState {
    return this.#isPaused && this.#state !== "stopped" ? "paused" : this.#state;
  }

  /** Rows that are published and not settled. */
  get unsettled(): number {
    return this.#inHand.size;
  }

  start(): void {
    this.#state = "running";
    this.#stopListening = this.#context.onSettled?.((eventId) => {
      if (this.#inHand.settled(eventId)) this.#flushLater();
    });
    this.#renewLater();
    this.#loop = this.#run();
  }

  /** There may be something to publish. */
  wake(): void {
    this.#waker.wake();
  }

  /** Publishes nothing until {@link resume}. Resolves when what is being published is. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#underWay;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake();
  }

  /**
   * Claims nothing more. Resolves when what is being published is, and after `graceMs` milliseconds at
   * the latest.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#waker.wake();
    this.#stopper.wake();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = systemClock.setTimeout(resolve, graceMs, { keepAlive: true });
    });
    await Promise.race([this.#loop, late]);
    timer?.cancel();
  }

  /** Takes out what was settled while the provider stopped, and leaves the rest to others. */
  async close(): Promise<void> {
    this.#state = "stopped";
    this.#stopListening?.();
    this.#renewal?.cancel();
    this.#flush?.cancel();
    await this.#flushing;
    await this.#takeOut();
    if (this.#inHand.size === 0 && !this.#isUnsure) return;
    this.#inHand.giveUp();
    await this.#giveBackUnknown();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopping) {
      try {
        const round = this.#round();
        this.#underWay = round.catch(() => {});
        const waitMs = await round;
        failures = 0;
        this.#enter("running");
        if (waitMs > 0 && !this.#isStopping) await this.#waker.wait(waitMs);
      } catch (err) {
        this.#isUnsure = true;
        this.lastError = err;
        this.#enter("waiting");
        const waitMs = pauseAfter(failures);
        failures += 1;
        this.#logger.warn({ err }, `The outbox could not be relayed; again in ${waitMs} ms`);
        if (!this.#isStopping) await this.#stopper.wait(waitMs);
      }
    }
  }

  #enter(state: RelayState): void {
    if (this.#state !== "stopped") this.#state = state;
  }

  /** Publishes one batch. Resolves with the milliseconds to wait before the next. */
  async #round(): Promise<number> {
    const { batchSize, pollEveryMs, maxUnsettled, leaseMs } = this.#options;
    if (this.#isUnsure) {
      await this.#takeOut();
      // Before it claims those behind them.
      await this.#giveBackUnknown();
    }
    if (this.#isPaused) return pollEveryMs;
    const room = maxUnsettled - this.#inHand.size;
    this.#isFull = room <= 0;
    if (this.#isFull) return pollEveryMs;
    const limit = Math.min(batchSize, room);
    let startedAt = performance.now();
    let claimed = await this.#statements.claim(limit);
    if (claimed.rows.length === 0 && !claimed.keysLeftOut) {
      await this.#statements.takeOver();
      await this.#statements.promote();
      startedAt = performance.now();
      claimed = await this.#statements.claim(limit);
    }
    if (claimed.rows.length > 0) {
      // This process stood still meanwhile: others may have published the rows, and what is behind them.
      if (performance.now() - startedAt >= leaseMs) throw new Error(LEASE_IS_OVER);
      await this.#publish(claimed.rows);
    }
    if (claimed.keysLeftOut) return KEYS_AGAIN_AFTER_MS;
    if (claimed.isFull) return 0;
    return Math.min(pollEveryMs, (await this.#statements.untilNextDue()) ?? pollEveryMs);
  }

  async #publish(rows: readonly ClaimedRow[]): Promise<void> {
    this.#inHand.publishing(rows.map(({ id }) => id));
    const { accepted, failed, rest, failure } = await publishBatch(
      rows,
      (envelopes) => this.#context.publishEnvelopes(envelopes),
      this.#context.capabilities.wholeBatches === true,
    );
    this.rate.add(accepted.length);
    this.#inHand.accepted(accepted);
    if (!this.#context.onSettled) {
      for (const { eventId } of accepted) this.#inHand.settled(eventId);
    }
    await this.#takeOut();
    if (failed.length > 0) await this.#setAside(failed);
    if (rest.length > 0) await this.#statements.giveBack(rest);
    if (failure !== undefined) throw failure;
    if (rest.length > 0) throw new Error(`The provider has no room for ${rest.length} events yet`);
  }

  async #setAside(failed: readonly FailedRow[]): Promise<void> {
    await this.#statements.setAside(failed);
    this.#logger.error(
      { count: failed.length, first: failed[0]?.error },
      `${failed.length} events of the outbox cannot be published, and were set aside`,
    );
  }

  /** Takes rows out of the table whose events are safe. */
  #takeOut(): Promise<void> {
    return this.#inHand.takeOut((ids) => this.#statements.remove(ids, this.#options.keepsSent));
  }

  /** Gives back what it has and does not know of. */
  async #giveBackUnknown(): Promise<void> {
    await this.#statements.giveBackAllBut(this.#inHand.ids);
    this.#isUnsure = false;
  }

  #flushLater(): void {
    this.#flush ??= systemClock.setTimeout(() => {
      this.#flush = undefined;
      this.#flushing = this.#takeOut().then(
        () => {
          if (this.#isFull) this.wake();
        },
        (err: unknown) => {
          this.#logger.warn({ err }, "Settled rows could not be taken out of the outbox yet");
          this.#retryFlush();
        },
      );
    }, COLLECT_FOR_MS);
  }

  #retryFlush(): void {
    if (this.#state === "stopped") return;
    this.#flush ??= systemClock.setTimeout(() => {
      this.#flush = undefined;
      this.#flushLater();
    }, 1_000);
  }

  async #renew(): Promise<void> {
    const { ids } = this.#inHand;
    try {
      if (ids.length > 0) await this.#statements.renew(ids);
      // A relay that always has something to publish never looks for it otherwise.
      if ((await this.#statements.takeOver()) > 0) this.wake();
    } catch (err) {
      this.#logger.warn({ err }, "The claims of the relay could not be renewed");
    }
  }

  #renewLater(): void {
    this.#renewal = systemClock.setTimeout(() => {
      void this.#renew().then(() => {
        if (this.#state !== "stopped") this.#renewLater();
      });
    }, this.#options.leaseMs / 3);
  }
}
