import { runCausedBy } from "../causality/causality.ts";
import type { BusCounters } from "../observe/counters.ts";
import type { Notices } from "../observe/notices.ts";
import type { SettlementTracker } from "../causality/settlement-tracker.ts";
import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { BusNotices, DeadReason, NoticedDelivery } from "../contract/notices.ts";
import type { Delivery, Envelope, Settlement } from "../contract/provider.ts";
import { isPermanentError, isReleaseDelivery } from "../errors/errors.ts";
import { isInstance, itemsOf, memberOf } from "../errors/thrown.ts";
import type { Settle } from "../provider/run-delivery.ts";
import { Chain } from "../values/chain.ts";
import { backoffDelay, effective } from "./policy.ts";
import { DeliveryRun, type RunSurroundings } from "./delivery-run.ts";
import {
  type DeliveryState,
  NO_FAILURES,
  recordFailure,
  stateOf,
  withFailure,
} from "./failures.ts";
import type { HandlerRunner } from "./handler-runner.ts";
import { noticedEvent } from "./received-event.ts";
import type { StormLine, StormLog } from "./storm-log.ts";
import type { Subscription } from "./subscription.ts";
import { nativeThen, withinTimeLimit } from "./time-limit.ts";

const ACK: Settlement = { type: "ack" };
/** Milliseconds for which a delivery is handed back that this process has no code for. */
const AWAY_AT_LEAST_MS = 50;
const AWAY_AT_MOST_MS = 800;

const RESOLVED = Promise.resolve();

/** What a {@link DeliveryEngine} needs. */
export interface EngineOptions extends RunSurroundings {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** For what is logged of each delivery. */
  readonly storms: StormLog;
  readonly maxCrashes: number;
  /** Whether the provider keeps dead letters. */
  readonly keepsDead: boolean;
  readonly counters: BusCounters;
  readonly notices: Notices;
  readonly tracker: SettlementTracker | undefined;
  readonly runner: HandlerRunner;
}

/** Runs deliveries, and decides what becomes of them. */
export class DeliveryEngine {
  readonly #options: EngineOptions;
  /** The runs that have not ended. */
  readonly #underWay = new Chain<DeliveryRun>();

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** The subscriptions that run an event at the moment. */
  running(eventId: string): readonly string[] {
    return [...this.#underWay]
      .toReversed()
      .filter(({ envelope }) => envelope.id === eventId)
      .map(({ subscriberId }) => subscriberId);
  }

  /** Aborts every run because the bus stops: they count as nothing, and are handed back. */
  cutShort(reason: unknown): void {
    for (const run of this.#underWay) run.cutShort(reason);
  }

  /** Runs one delivery once, as {@link RunDelivery} says. */
  run(subscription: Subscription, delivery: Delivery, settle: Settle): void {
    const { envelope, crashes } = delivery;
    const before = delivery.state === undefined ? NO_FAILURES : stateOf(delivery.state);
    const hasCrashed = crashes > this.#options.maxCrashes;
    const attempt = hasCrashed ? before.runs : before.runs + 1;
    const run = new DeliveryRun(this.#options, envelope, subscription, before, attempt, crashes);
    const end = (decide: () => Settlement): void => this.#end(run, decide, settle);
    this.#underWay.add(run);
    if (hasCrashed) {
      void RESOLVED.then(() => end(() => this.#crashed(run, crashes)));
      return;
    }
    // Code for the event is on its way, in another process, or gone: it is not ours to judge.
    if (run.handlers.length === 0) {
      void RESOLVED.then(() =>
        end(() => this.#released(run, "no-handler", this.#awayMs(envelope))),
      );
      return;
    }
    const succeed = (): void => end(() => this.#succeeded(run));
    const fail = (thrown: unknown): void => end(() => this.#failed(run, thrown));
    try {
      // What a handler returns is the user's: reading it may throw, and its own `then` may do anything.
      void nativeThen.call(Promise.resolve(runCausedBy(run, this.#work)), succeed, fail);
    } catch (thrown) {
      void RESOLVED.then(() => fail(thrown));
    }
  }

  /** Runs the handlers, for as long as they may. */
  readonly #work = (run: DeliveryRun): void | Promise<void> => {
    const { clock, notices, runner } = this.#options;
    if (notices.isHeard) run.startedAt = clock.monotonic();
    const work = runner.run(run);
    const { runTimeoutMs: timeoutMs, id: subscriberId } = run.subscription;
    if (timeoutMs === undefined) return work;
    const onTimeout = (error: unknown): void => run.abort(error);
    const onLate = (tookMs: number): void => this.endedLate(run, tookMs);
    return withinTimeLimit(work, { clock, timeoutMs, subscriberId, onTimeout, onLate });
  };

  /** Whether a delivery would run the handlers of this process. Otherwise it ends at once. */
  wouldRun(subscription: Subscription, { envelope, crashes }: Delivery): boolean {
    return (
      crashes <= this.#options.maxCrashes && subscription.handlersFor(envelope.name).length > 0
    );
  }

  /**
   * About as long as it has been on its way: it may go to and fro a few times before it meets a process
   * with code for it, and must not do so often when there is none. Where the clock of the emitter is off, it is
   * the longest time: nobody waits for more than that.
   */
  #awayMs({ metadata }: Envelope): number {
    const ageMs = Math.abs(this.#options.clock.now() - metadata.published_at);
    let awayMs = AWAY_AT_LEAST_MS;
    // In steps, so that deliveries that came together leave together.
    while (awayMs < ageMs && awayMs < AWAY_AT_MOST_MS) awayMs *= 2;
    return awayMs;
  }

  #end(run: DeliveryRun, decide: () => Settlement, settle: Settle): void {
    let settlement: Settlement | undefined;
    try {
      settlement = decide();
    } catch (err) {
      // The clock or the source of random numbers that the bus was given has thrown.
      this.#options.logger.error(
        fieldsOf(run, { err }),
        `Subscriber "${run.subscriberId}" has an unsettled delivery`,
      );
    }
    this.#underWay.delete(run);
    if (run.hasScope) void this.#dispose(run).then(() => settle(settlement));
    else settle(settlement);
  }

  #succeeded(run: DeliveryRun): Settlement {
    const { counters, notices, tracker } = this.#options;
    counters.acknowledged += 1;
    tracker?.settled(run.envelope, run.subscriberId);
    if (notices.isHeard) notices.report("delivered", () => this.#noticedRun(run));
    return ACK;
  }

  #failed(run: DeliveryRun, thrown: unknown): Settlement {
    if (run.isCutShort) return this.#released(run, "shutdown", undefined);
    if (isReleaseDelivery(thrown)) return this.#released(run, "requested", thrown.delayMs);
    const { clock, random, counters, notices, tracker } = this.#options;
    const { subscription } = run;
    counters.failed += 1;
    const state = withFailure(run.before, recordFailure(thrown, clock.now()));
    const wished = run.envelope.policy;
    const attempts = effective("attempts", subscription, wished) ?? 1;
    const isRetired = subscription.isRetired(run.envelope.name);
    const reason =
      deathReason(run, thrown, state.runs, attempts) ?? (isRetired ? "retired" : undefined);
    const reportFailure = (delayMs?: number): void =>
      notices.report("failed", () => ({
        ...this.#noticedRun(run),
        attempts,
        error: thrown,
        delayMs,
      }));
    if (reason) {
      reportFailure();
      return this.#dead(run, reason, state, thrown);
    }
    const delayMs = backoffDelay(effective("backoff", subscription, wished), state.runs, random);
    reportFailure(delayMs);
    this.#log(
      "warn",
      "failed attempts",
      run,
      { attempts, delayMs, err: thrown },
      `Subscriber "${run.subscriberId}" failed attempt ${state.runs} of ${attempts}; runs again in ${delayMs} ms`,
    );
    tracker?.retrying(run.envelope, subscription.id);
    return { type: "retry", delayMs, state };
  }

  #crashed(run: DeliveryRun, crashes: number): Settlement {
    const error = new Error(`The process ended ${crashes} times while this was being handled`);
    error.name = "Crash";
    delete error.stack;
    const state = withFailure(run.before, recordFailure(error, this.#options.clock.now()));
    return this.#dead(run, "crashed", { ...state, runs: run.before.runs }, error);
  }

  #dead(run: DeliveryRun, reason: DeadReason, state: DeliveryState, err: unknown): Settlement {
    const { counters, keepsDead, notices, tracker } = this.#options;
    counters.dead += 1;
    if (!keepsDead) counters.deadLettersDropped += 1;
    tracker?.settled(run.envelope, run.subscriberId);
    notices.report("dead", () => ({ ...noticedDelivery(run), reason, error: err }));
    this.#log(
      "error",
      keepsDead ? "dead letters" : "lost deliveries",
      run,
      { reason, err },
      keepsDead
        ? `Subscriber "${run.subscriberId}" has a dead letter after ${state.runs} attempts (${reason}); replay or discard it`
        : `Subscriber "${run.subscriberId}" lost a delivery after ${state.runs} attempts (${reason}): the provider keeps no dead letters`,
    );
    return { type: "dead", reason, state };
  }

  #released(
    run: DeliveryRun,
    reason: BusNotices["released"]["reason"],
    delayMs: number | undefined,
  ): Settlement {
    const { notices } = this.#options;
    notices.report("released", () => ({ ...noticedDelivery(run), reason, delayMs }));
    return delayMs === undefined ? { type: "release" } : { type: "release", delayMs };
  }

  #noticedRun(run: DeliveryRun): BusNotices["delivered"] {
    const { startedAt } = run;
    const now = this.#options.clock.monotonic();
    const durationMs = startedAt === undefined ? undefined : now - startedAt;
    return { ...noticedDelivery(run), durationMs };
  }

  /** Logs that a handler has ended after its time limit. */
  endedLate(run: DeliveryRun, tookMs: number): void {
    this.#log(
      "warn",
      "runs past their time limit",
      run,
      { tookMs },
      `Subscriber "${run.subscriberId}" ended ${tookMs} ms after its start, past its time limit; its result is thrown away`,
    );
  }

  async #dispose(run: DeliveryRun): Promise<void> {
    try {
      await run.dispose();
    } catch (err) {
      const message = "The services of a delivery could not be disposed";
      this.#log("error", "failed disposals", run, { err }, message);
    }
  }

  #log(
    level: "warn" | "error",
    kind: string,
    run: DeliveryRun,
    more: object,
    message: string,
  ): void {
    const { logger, storms } = this.#options;
    const fields = fieldsOf(run, more);
    const quiet = level === "warn" && run.envelope.policy?.internal === true;
    if (quiet) logger.debug(fields, message);
    else storms.write({ level, kind, fields, message });
  }
}

function fieldsOf<T extends object>(
  { envelope: { id: eventId, name: event }, subscriberId, attempt }: DeliveryRun,
  more: T,
): T & StormLine["fields"] {
  return { subscriberId, event, eventId, attempt, ...more };
}

function noticedDelivery({ envelope, subscriberId, attempt }: DeliveryRun): NoticedDelivery {
  return { subscriberId, event: noticedEvent(envelope), attempt };
}

function deathReason(
  run: DeliveryRun,
  thrown: unknown,
  runs: number,
  attempts: number,
): DeadReason | undefined {
  if (run.isInvalid) return "invalid";
  if (isPermanent(thrown)) return "permanent";
  return runs >= attempts ? "failed" : undefined;
}

/** Several handlers failed as one: permanent only if no retry can mend any of them. */
function isPermanent(thrown: unknown): boolean {
  if (!isInstance(thrown, AggregateError)) return isPermanentError(thrown);
  const errors = itemsOf(memberOf(thrown, "errors"), Number.POSITIVE_INFINITY);
  return errors.length > 0 ? errors.every(isPermanentError) : isPermanentError(thrown);
}
