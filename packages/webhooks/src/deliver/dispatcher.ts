import type { Logger } from "@busbar/core";
import {
  checks,
  type OptionCheck,
  optionsWithin,
  systemClock,
  type Timer,
} from "@busbar/core/provider";
import { pauseAfter, Waker } from "@busbar/sql/feature";
import type { EmitOperational } from "../route/operational-emitter.ts";
import { Signer } from "../signing/signer.ts";
import type { WebhookStore } from "../store/webhook-store.ts";
import { attempt, type AttemptParts } from "./attempt.ts";
import { Breaker, type BreakerOptions } from "./breaker.ts";
import { type ClaimedDelivery, Claims } from "./claim.ts";
import { EndpointOptionsCache } from "./endpoint-options.ts";
import { type KeyOf, releaseForgotten } from "./order.ts";
import { type FinishedAttempt, type Recorded, Recorder, type RecorderOptions } from "./record.ts";
import { SlotShares } from "./slot-shares.ts";
import { takeOver } from "./take-over.ts";

/** Milliseconds for which ended attempts are collected before they are recorded: few of them, and many. */
const COLLECT_FEW_FOR_MS = 8;
const COLLECT_MANY_FOR_MS = 24;
const MANY = 64;
/** Attempts that are recorded in one transaction: at least, unless the time is over, and at most. */
const RECORDED_AT_LEAST = 8;
const RECORDED_AT_ONCE = 200;
/** Milliseconds between two claims while less than a quarter of the slots are free: a claim of many costs little more. */
const CLAIM_FEW_EVERY_MS = 10;
/** Milliseconds between two looks for held deliveries that nobody releases. */
const FORGOTTEN_EVERY_MS = 60_000;
/** Milliseconds that recording has after the grace of a stop is over. */
const LAST_RECORD_MS = 2_000;

/** Options of the loop that delivers. */
export interface DispatchOptions {
  /**
   * Attempts of this process at the same time. One endpoint gets at most half of them.
   *
   * @default 400
   */
  readonly concurrency?: number | undefined;
  /**
   * Milliseconds after which the deliveries of a process that has died go to another. Renewed while it lives.
   *
   * @default 60_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds between two looks for deliveries that nobody has told of.
   *
   * @default 1_000
   */
  readonly pollEveryMs?: number | undefined;
  /**
   * Milliseconds that a notifier has for an attempt, whatever its own limits are.
   *
   * @default 30_000
   */
  readonly attemptTimeoutMs?: number | undefined;
  /** When endpoints that fail get no more attempts, and when their subscriptions are disabled. */
  readonly breaker?: BreakerOptions | undefined;
}

const countOrFalse = (value: unknown): string | undefined =>
  value === false ? undefined : checks.wholeFrom(1)(value);

/** Checks {@link DispatchOptions}. */
export const checkDispatch: OptionCheck = optionsWithin<DispatchOptions>({
  concurrency: checks.wholeFrom(1),
  leaseMs: checks.positive,
  pollEveryMs: checks.positive,
  attemptTimeoutMs: checks.positive,
  breaker: optionsWithin<BreakerOptions>({
    openAfter: countOrFalse,
    openForMs: checks.positive,
    openForAtMostMs: checks.positive,
    disableAfterFailures: countOrFalse,
    disableAfterMs: (value) => (value === false ? undefined : checks.positive(value)),
  }),
});

/** What a dispatcher needs of the other parts of webhooks. */
export interface DispatcherParts
  extends Pick<AttemptParts, "targetOf" | "resolvePayload">, Pick<RecorderOptions, "disable"> {
  readonly store: WebhookStore;
  readonly logger: Logger;
  readonly emitOperational: EmitOperational;
}

/**
 * Delivers what is due. Any number of processes may have one.
 *
 * An attempt begins when its delivery is claimed, and ends when it is recorded. Until then it has one of the process's
 * slots: so no more results than slots wait while the database is away.
 */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #attemptParts: AttemptParts;
  readonly #options: {
    readonly concurrency: number;
    readonly leaseMs: number;
    readonly pollEveryMs: number;
  };
  readonly #claims: Claims;
  readonly #recorder: Recorder;
  readonly #shares: SlotShares;
  readonly #waker = new Waker(systemClock);
  /** Ends waits after failures: only a stop does. */
  readonly #stopper = new AbortController();
  /** What is attempted, and what ends the attempt. */
  readonly #inFlight = new Map<ClaimedDelivery, AbortController>();
  #finished: FinishedAttempt[] = [];
  #recording: Promise<void> | undefined;
  #collecting: Timer | undefined;
  #renewal: Timer | undefined;
  #loop: Promise<void> = Promise.resolve();
  #whenIdle: (() => void) | undefined;
  #isStopping = false;
  #isClosed = false;
  #claimedAt = Number.NEGATIVE_INFINITY;
  #tookOverAt = Number.NEGATIVE_INFINITY;
  #lookedForForgottenAt = Number.NEGATIVE_INFINITY;
  #forgottenAfter: KeyOf | undefined;
  /** The clock of the store, and this process's at the same moment. */
  #clock = { store: 0, monotonic: 0 };

  constructor(parts: DispatcherParts, options: DispatchOptions = {}) {
    const { concurrency = 400, leaseMs = 60_000, pollEveryMs = 1_000 } = options;
    const { attemptTimeoutMs = 30_000 } = options;
    this.#options = { concurrency, leaseMs, pollEveryMs };
    this.#parts = parts;
    const { store, disable } = parts;
    const breaker = new Breaker(options.breaker);
    const endpointOptions = new EndpointOptionsCache(store);
    this.#claims = new Claims({ store, endpointOptions, breaker, leaseMs });
    const random = Math.random;
    this.#recorder = new Recorder({ store, endpointOptions, breaker, random, disable });
    this.#shares = new SlotShares(Math.ceil(concurrency / 2));
    this.#attemptParts = {
      ...parts,
      attemptTimeoutMs,
      readLong: (delivery) => this.#claims.readLong(delivery),
      signer: new Signer(),
    };
  }

  /** Attempts that have begun and are not recorded yet. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  start(): void {
    this.#renewLater();
    this.#loop = this.#run();
  }

  /** There may be something to deliver. */
  wake(): void {
    this.#waker.wake();
  }

  /**
   * Claims nothing more, and waits for the attempts under way, up to `graceMs` milliseconds. Then ends those that are left:
   * they are logged as `interrupted`, and are due again at once.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#stopper.abort();
    this.wake();
    await within(
      graceMs,
      this.#loop.then(() => this.#idle()),
    );
    for (const controller of this.#inFlight.values()) controller.abort();
    await within(
      LAST_RECORD_MS,
      this.#loop.then(() => this.#idle()),
    );
    this.#isClosed = true;
    this.#renewal?.cancel();
    this.#collecting?.cancel();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopping) {
      try {
        const waitMs = await this.#round();
        failures = 0;
        if (waitMs > 0 && !this.#isStopping) await this.#waker.wait(waitMs);
      } catch (err) {
        const waitMs = pauseAfter(failures);
        failures += 1;
        this.#parts.logger.warn({ err }, `No deliveries could be claimed; again in ${waitMs} ms`);
        await this.#pause(waitMs);
      }
    }
  }

  /** Claims and begins what is due. Resolves with the milliseconds to wait before the next round. */
  async #round(): Promise<number> {
    const { pollEveryMs, concurrency } = this.#options;
    await this.#lookAfterOthers();
    const limit = concurrency - this.#inFlight.size;
    if (limit <= 0) return pollEveryMs;
    const monotonic = systemClock.monotonic();
    const waitMs = this.#claimedAt + CLAIM_FEW_EVERY_MS - monotonic;
    if (limit < concurrency / 4 && waitMs > 0) return waitMs;
    this.#claimedAt = monotonic;
    const claimed = await this.#claims.claim({
      limit,
      freeFor: (subscriptionId) => this.#shares.free(subscriptionId),
    });
    this.#clock = { store: claimed.now, monotonic: claimed.nowAt };
    const { deliveries, againInMs = pollEveryMs } = claimed;
    if (this.#isStopping) {
      await this.#claims.giveBack(deliveries);
      return 0;
    }
    if (systemClock.monotonic() - monotonic >= this.#options.leaseMs) {
      // This process stood still meanwhile: others may have taken them over.
      await this.#claims.giveBack(deliveries);
      return 0;
    }
    for (const delivery of deliveries) void this.#attempt(delivery);
    return Math.min(pollEveryMs, againInMs);
  }

  /** Takes over what processes that have died left, and what waits for others of its key and is forgotten. */
  async #lookAfterOthers(): Promise<void> {
    const now = systemClock.monotonic();
    const { pollEveryMs } = this.#options;
    if (now - this.#tookOverAt >= pollEveryMs) {
      const { again, exhausted } = await takeOver(this.#parts.store);
      this.#tookOverAt = now;
      if (again > 0) {
        this.#parts.logger.warn(
          { count: again },
          `${again} deliveries were taken over from a process that has ended or stood still`,
        );
      }
      for (const { deliveryId, eventId, eventName, subscriptionId, attempts } of exhausted) {
        const names = { deliveryId, eventId, eventName, subscriptionId };
        const data = { ...names, attempts, errorClass: "interrupted" };
        this.#parts.emitOperational("webhooks.delivery.exhausted", data);
      }
    }
    const isDue = now - this.#lookedForForgottenAt >= FORGOTTEN_EVERY_MS;
    if (!isDue && this.#forgottenAfter === undefined) return;
    const { store } = this.#parts;
    this.#forgottenAfter = await releaseForgotten(store.own, store, this.#forgottenAfter);
    this.#lookedForForgottenAt = now;
  }

  async #attempt(delivery: ClaimedDelivery): Promise<void> {
    const controller = new AbortController();
    this.#inFlight.set(delivery, controller);
    this.#shares.began(delivery.subscriptionId);
    const began = systemClock.monotonic();
    const startedAt = Math.round(this.#clock.store + began - this.#clock.monotonic);
    const result = await attempt(delivery, this.#attemptParts, startedAt, controller.signal);
    const durationMs = systemClock.monotonic() - began;
    this.#finished.push({ delivery, result, startedAt, durationMs });
    this.#recordSoon();
  }

  #recordSoon(): void {
    if (this.#recording !== undefined) return;
    if (this.#finished.length >= this.#worthRecording()) {
      this.#collecting?.cancel();
      this.#collecting = undefined;
      this.#record();
    } else {
      this.#collecting ??= systemClock.setTimeout(
        () => {
          this.#collecting = undefined;
          this.#record();
        },
        this.#inFlight.size < MANY ? COLLECT_FEW_FOR_MS : COLLECT_MANY_FOR_MS,
        { keepAlive: true },
      );
    }
  }

  /** How many ended attempts are not waited for: half of those in flight, so that the others go on meanwhile. */
  #worthRecording(): number {
    const half = Math.ceil(this.#inFlight.size / 2);
    return Math.min(RECORDED_AT_ONCE, Math.max(RECORDED_AT_LEAST, half));
  }

  #record(): void {
    if (this.#recording !== undefined) return;
    this.#recording = this.#recordAll().finally(() => {
      this.#recording = undefined;
      if (this.#finished.length > 0 && !this.#isClosed) this.#recordSoon();
      else if (this.#inFlight.size === 0) this.#whenIdle?.();
    });
  }

  /** Records what has ended, and keeps it until the database takes it. */
  async #recordAll(): Promise<void> {
    for (let failures = 0; this.#finished.length > 0 && !this.#isClosed;) {
      const batch = this.#finished.slice(0, RECORDED_AT_ONCE);
      try {
        const recorded = await this.#recorder.record(batch);
        failures = 0;
        this.#finished = this.#finished.slice(batch.length);
        for (const { delivery, result } of batch) {
          this.#inFlight.delete(delivery);
          this.#shares.ended(delivery.subscriptionId, result.ok);
        }
        this.wake();
        this.#tell(recorded);
      } catch (err) {
        const waitMs = pauseAfter(failures);
        failures += 1;
        this.#parts.logger.warn(
          { err, count: batch.length },
          `${batch.length} attempts could not be recorded yet; again in ${waitMs} ms`,
        );
        await sleep(waitMs);
      }
      if (this.#finished.length < this.#worthRecording()) return;
    }
  }

  #tell({ incidents, disabled, exhausted, late }: Recorded): void {
    const { emitOperational, logger } = this.#parts;
    for (const incident of incidents) {
      if (incident.kind === "disabled") continue;
      const { subscriptionId, destination, failures } = incident;
      const failingSince = new Date(incident.failingSince).toISOString();
      const data = { subscriptionId, destination, failures, failingSince };
      if (incident.kind === "recovered") emitOperational("webhooks.endpoint.recovered", data);
      else {
        const { percent } = incident;
        emitOperational("webhooks.endpoint.warning", { ...data, percent });
      }
    }
    for (const { subscriptionId, destination, kind, detail, onCommitted } of disabled) {
      onCommitted();
      if (kind === "manual") continue;
      logger.warn({ subscriptionId }, `A webhook subscription was disabled: ${detail}`);
      const data = { subscriptionId, destination, kind, detail };
      emitOperational("webhooks.endpoint.disabled", data);
    }
    for (const { delivery, result } of exhausted) {
      emitOperational("webhooks.delivery.exhausted", {
        deliveryId: delivery.id,
        eventId: delivery.event.id,
        eventName: delivery.event.name,
        subscriptionId: delivery.subscriptionId,
        attempts: delivery.attempt,
        errorClass: result.errorClass ?? "unknown",
      });
    }
    if (late.length > 0) {
      logger.warn(
        { count: late.length, first: late[0]?.delivery.id },
        `${late.length} attempts ended after their lease, so that others may have repeated them`,
      );
    }
  }

  #renewLater(): void {
    this.#renewal = systemClock.setTimeout(() => {
      void this.#renew().then(() => {
        if (!this.#isClosed) this.#renewLater();
      });
    }, this.#options.leaseMs / 3);
  }

  async #renew(): Promise<void> {
    if (this.#inFlight.size === 0) return;
    try {
      await this.#claims.renew([...this.#inFlight.keys()]);
    } catch (err) {
      this.#parts.logger.warn({ err }, "The leases on deliveries could not be renewed");
    }
  }

  /** Resolves when no attempt is under way, and all are recorded. */
  #idle(): Promise<void> {
    if (this.#inFlight.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#whenIdle = resolve));
  }

  /** Waits, but not longer than until a stop. */
  #pause(ms: number): Promise<void> {
    return sleep(ms, this.#stopper.signal);
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.setTimeout(end, ms);
    function end(): void {
      timer.cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    }
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end);
  });
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: Timer | undefined;
  const late = new Promise<void>((resolve) => {
    timer = systemClock.setTimeout(resolve, ms, { keepAlive: true });
  });
  await Promise.race([work, late]);
  timer?.cancel();
}
