import type { Clock } from "../contract/clock.ts";
import type { Envelope, EventProvider, PublishResult } from "../contract/provider.ts";
import { BusbarError, type EmitOutcome, isBusbarError } from "../errors/errors.ts";
import { currentRun, type CurrentRun } from "../causality/causality.ts";
import { noticedEvent } from "../deliver/received-event.ts";
import type { BusNotices } from "../contract/notices.ts";
import type { BusCounters } from "../observe/counters.ts";
import type { Notices } from "../observe/notices.ts";
import type { EmitTimeLimit } from "./emit-time-limit.ts";
import { quoted } from "../errors/quoted.ts";
import { safeError, safeText, unavailable } from "../errors/safe-error.ts";
import { GroupCommit, isRetryable, type PublishResults } from "./group-commit.ts";
import type { SettlementTracker } from "../causality/settlement-tracker.ts";
import { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";

/** Milliseconds before a refusal that is worth another try is tried again. */
const RETRY_AFTER_MS = 50;

/** What a {@link Publisher} needs. */
export interface PublisherOptions {
  /** Stands for the bus, to tell whether a handler is one of its own. */
  readonly bus: object;
  readonly provider: EventProvider;
  /** Why the provider is down at the moment, if it is known to be. */
  readonly whyDown: () => string | undefined;
  readonly clock: Clock;
  readonly timeLimit: EmitTimeLimit;
  readonly counters: BusCounters;
  readonly notices: Notices;
  /** Present where every delivery runs in this process. */
  readonly tracker: SettlementTracker | undefined;
}

/** Hands envelopes to the provider, within a time limit. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #commit: GroupCommit | undefined;
  readonly #delays: PublishDelays;
  /** Publishes that have not ended. */
  #underWay = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#delays = new PublishDelays(options.clock);
    const { maxBatch } = options.provider.capabilities;
    if (maxBatch !== undefined) {
      const send = (batch: readonly Envelope[]): Promise<readonly PublishResult[]> =>
        this.#send(batch, options.timeLimit.deadline(), false);
      this.#commit = new GroupCommit(send, maxBatch);
    }
  }

  /**
   * Resolves with one result per envelope.
   *
   * @throws BusbarError `BUSBAR_EMIT_TIMEOUT` when the provider does not answer in time.
   * @throws BusbarError `BUSBAR_UNAVAILABLE` when it throws.
   */
  async publish(
    envelopes: readonly Envelope[],
    inHandler: boolean,
    deadline: number = this.#options.timeLimit.deadline(),
  ): Promise<readonly PublishResult[]> {
    const results: PublishResults = [];
    this.#delays.begin(envelopes);
    this.#begin(envelopes);
    try {
      await this.#publishOnce(envelopes, results, deadline, inHandler);
      if (results.some(isRetryable)) {
        await this.#publishAgain(envelopes, results, deadline, inHandler);
      }
      return results as PublishResult[];
    } catch (error) {
      throw this.#failure(error, envelopes, results);
    } finally {
      this.#end(envelopes, results);
    }
  }

  /**
   * Publishes at once, where the provider can: all envelopes are accepted, or are duplicates, with one result for
   * each; or nothing is done.
   *
   * @param run The handler's run that the caller is part of.
   * @throws BusbarError `BUSBAR_UNAVAILABLE` when it throws.
   */
  tryPublish(
    envelopes: readonly Envelope[],
    run: CurrentRun | undefined,
  ): readonly PublishResult[] | undefined {
    const { provider, tracker } = this.#options;
    let results: readonly PublishResult[] | undefined;
    try {
      results = provider.tryPublish?.(envelopes);
    } catch (error) {
      throw this.#failure(error, envelopes, []);
    }
    if (!results) return undefined;
    const cause = tracker && this.#causeIn(run);
    // No delivery has begun: the provider hands over later.
    for (let index = 0; index < envelopes.length; index += 1) {
      const result = results[index] as PublishResult;
      if (result.status === "accepted") {
        tracker?.accepted(envelopes[index] as Envelope, cause, result.subscriptions);
      }
      this.#count(envelopes[index] as Envelope, result);
    }
    return results;
  }

  /** Counts what becomes of envelopes that `send` publishes, and waits for them in `settled`. */
  async counted(
    envelopes: readonly Envelope[],
    send: () => Promise<readonly PublishResult[]>,
  ): Promise<readonly PublishResult[]> {
    let results: readonly PublishResult[] = [];
    this.#begin(envelopes);
    try {
      results = await send();
      return results;
    } catch (error) {
      throw this.#failure(error, envelopes, []);
    } finally {
      this.#end(envelopes, results);
    }
  }

  #publishOnce(
    envelopes: readonly Envelope[],
    results: PublishResults,
    deadline: number,
    inHandler: boolean,
  ): Promise<void> {
    const commit = this.#commit;
    if (!commit) {
      const sent = this.#send(envelopes, deadline, inHandler);
      return sent.then((answers) => answers.forEach((answer) => results.push(answer)));
    }
    return this.#options.timeLimit.call<void>(
      (resolve, reject) => commit.publish(envelopes, results, resolve, reject),
      deadline,
      () => {
        commit.withdraw(envelopes);
        return { who: this.#who };
      },
    );
  }

  #send(
    envelopes: readonly Envelope[],
    deadline: number,
    inHandler: boolean,
  ): Promise<readonly PublishResult[]> {
    const { provider, timeLimit } = this.#options;
    return timeLimit.call<readonly PublishResult[]>(
      (resolve, reject) => {
        const sent = provider.publish(this.#delays.remaining(envelopes), { deadline, inHandler });
        sent.then((results) => {
          if (results.length === envelopes.length) resolve(results);
          else reject(wrongCount(results, envelopes));
        }, reject);
      },
      deadline,
      () => ({ who: this.#who }),
      true,
    );
  }

  /** Publishes what was refused for the moment until the deadline. */
  async #publishAgain(
    envelopes: readonly Envelope[],
    results: PublishResults,
    deadline: number,
    inHandler: boolean,
  ): Promise<void> {
    const { clock } = this.#options;
    while (results.some(isRetryable) && clock.monotonic() + RETRY_AFTER_MS < deadline) {
      await new Promise<void>((resolve) =>
        clock.setTimeout(resolve, RETRY_AFTER_MS, { keepAlive: true }),
      );
      const again = results.flatMap((result, index) => (isRetryable(result) ? [index] : []));
      const batch = again.map((index) => envelopes[index] as Envelope);
      const retried: PublishResults = [];
      try {
        await this.#publishOnce(batch, retried, deadline, inHandler);
      } finally {
        again.forEach((index, position) => {
          results[index] = retried[position];
        });
      }
    }
  }

  /** Resolves when the provider has answered for everything that is being published. */
  async whenIdle(): Promise<void> {
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#onIdle;
      this.#onIdle = () => {
        before?.();
        resolve();
      };
    });
  }

  #begin(envelopes: readonly Envelope[]): void {
    const { tracker } = this.#options;
    this.#underWay += 1;
    if (!tracker) return;
    const cause = this.#causeIn(currentRun());
    for (const envelope of envelopes) tracker.publishing(envelope, cause);
  }

  #end(envelopes: readonly Envelope[], results: Readonly<PublishResults>): void {
    const { tracker } = this.#options;
    for (let index = 0; index < envelopes.length; index += 1) {
      const result = results[index];
      const subscriptions = result?.status === "accepted" ? result.subscriptions : 0;
      tracker?.published(envelopes[index] as Envelope, subscriptions);
      this.#count(envelopes[index] as Envelope, result);
    }
    this.#underWay -= 1;
    if (this.#underWay > 0 || !this.#onIdle) return;
    this.#onIdle();
    this.#onIdle = undefined;
  }

  /** Counts what the provider has answered for envelopes that it published in a transaction of the caller. */
  count(envelopes: readonly Envelope[], results: readonly PublishResult[]): void {
    envelopes.forEach((envelope, index) => this.#count(envelope, results[index]));
  }

  #count(envelope: Envelope, result: PublishResult | undefined): void {
    const { counters, notices } = this.#options;
    if (result?.status === "duplicate") counters.duplicates += 1;
    if (result?.status !== "accepted") return;
    const { subscriptions } = result;
    counters.emitted += 1;
    if (subscriptions === 0) counters.unrouted += 1;
    if (!notices.isHeard) return;
    const emitted = (): BusNotices["emitted"] => ({ event: noticedEvent(envelope), subscriptions });
    notices.report("emitted", emitted, envelope);
    if (subscriptions > 0) return;
    notices.report("unrouted", () => ({ event: noticedEvent(envelope) }));
  }

  /** The envelope in whose handler the caller is, if it is one of this bus. */
  #causeIn(run: CurrentRun | undefined): Envelope | undefined {
    return run?.bus === this.#options.bus ? run?.envelope : undefined;
  }

  get #who(): string {
    const { provider, whyDown } = this.#options;
    const reason = whyDown();
    return `Provider "${provider.name}"${reason === undefined ? "" : `, which is down (${reason}),`}`;
  }

  /** The error of a publish that ended early, with what is known of each envelope. */
  #failure(error: unknown, envelopes: readonly Envelope[], results: PublishResults): unknown {
    const outcome = outcomeOf(envelopes, results);
    if (isBusbarError(error, "BUSBAR_EMIT_TIMEOUT")) {
      const { message, details } = error;
      return new BusbarError("BUSBAR_EMIT_TIMEOUT", message, { ...details, ...outcome });
    }
    const { name } = this.#options.provider;
    return unavailable(name, `${this.#who} could not publish`, error, outcome);
  }
}

function wrongCount(results: readonly unknown[], envelopes: readonly unknown[]): Error {
  return new Error(`it has ${results.length} results for ${envelopes.length} envelopes`);
}

/**
 * Passes when every envelope was accepted.
 *
 * @throws BusbarError `BUSBAR_OVERLOADED` or `BUSBAR_UNAVAILABLE`, with what is known of each.
 */
export function assertAccepted(
  provider: string,
  envelopes: readonly Envelope[],
  results: readonly PublishResult[],
): void {
  const first = results.find(isRejected);
  if (!first) return;
  const code = first.code === "overloaded" ? "BUSBAR_OVERLOADED" : "BUSBAR_UNAVAILABLE";
  const outcome = outcomeOf(envelopes, results);
  if (first.code === "unknown-subscription") {
    const { subscriptionId: id = "" } = first;
    const message = `Cannot emit to subscription ${quoted(id)}: ${safeText(first.reason)}`;
    throw new BusbarError("BUSBAR_NOT_FOUND", message, { kind: "subscription", id, ...outcome });
  }
  const isLasting = results.some((result) => isRejected(result) && result.retryable === false);
  throw new BusbarError(
    code,
    `Provider "${provider}" refused ${outcome.rejected.length} of ${envelopes.length} events: ${safeText(first.reason)}`,
    { provider, ...(isLasting && { retryable: false }), ...outcome },
    first.cause === undefined ? undefined : { cause: safeError(first.cause) },
  );
}

function outcomeOf(envelopes: readonly Envelope[], results: Readonly<PublishResults>): EmitOutcome {
  const accepted: string[] = [];
  const rejected: { id: string; reason: string }[] = [];
  const unknown: string[] = [];
  envelopes.forEach(({ id }, index) => {
    const result = results[index];
    if (!result) unknown.push(id);
    else if (isRejected(result)) rejected.push({ id, reason: safeText(result.reason) });
    else accepted.push(id);
  });
  return { accepted, rejected, unknown };
}

type RejectedResult = Extract<PublishResult, { status: "rejected" }>;

function isRejected(result: PublishResult | undefined): result is RejectedResult {
  return result?.status === "rejected";
}

/**
 * Shortens the delay of an envelope by the time that has passed since its publish began: it waited for the
 * batch before it, or the provider refused it for the moment.
 */
class PublishDelays {
  readonly #clock: Clock;
  /** When envelopes are due, on the clock's monotonic scale. Those without a delay are not in it. */
  readonly #due = new WeakMap<Envelope, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The publish of envelopes begins. */
  begin(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      if (envelope.delayMs === undefined) continue;
      this.#due.set(envelope, this.#clock.monotonic() + envelope.delayMs);
    }
  }

  /** The envelopes, each with what is left of its delay. */
  remaining(envelopes: readonly Envelope[]): readonly Envelope[] {
    return envelopes.some(isDelayed) ? envelopes.map((it) => this.#remaining(it)) : envelopes;
  }

  #remaining(envelope: Envelope): Envelope {
    const due = this.#due.get(envelope);
    if (due === undefined) return envelope;
    const delayMs = Math.max(Math.ceil(due - this.#clock.monotonic()), 0);
    return delayMs === envelope.delayMs ? envelope : OutgoingEnvelope.from(envelope, { delayMs });
  }
}

function isDelayed({ delayMs }: Envelope): boolean {
  return delayMs !== undefined;
}
