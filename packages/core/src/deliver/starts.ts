import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { ReservedStarts, SharedRates } from "../contract/rates.ts";
import type { RateLimit } from "../contract/subscriber.ts";
import { waitFor } from "../values/wait-for.ts";

/** Milliseconds before starts are asked for again after a failure. */
const RETRY_AFTER_MS = 1_000;
/** Milliseconds after which a provider that has not answered counts as one that cannot. */
const ASK_AT_MOST_MS = 5_000;
/** Milliseconds by which a run may begin later than its start without delaying the runs after it. */
const LATE_AT_MOST_MS = 50;
/** Starts that are further away are not reserved: they would be lost with this process. */
const HORIZON_MS = 1_000;

/** Says when the runs of one subscription may start. */
export interface Starts {
  /**
   * Takes the next start, and returns 0. If there is none yet, returns the milliseconds after which to call again, or
   * Infinity: then `onChange` is called.
   *
   * @param wanted How many runs wait for their start.
   */
  take(rate: RateLimit, wanted: number): number;
  /** How many of `wanted` runs may start in the next `ms` milliseconds. */
  countWithin(rate: RateLimit, wanted: number, ms: number): number;
  /** Gives up the starts that nobody has taken. */
  forget(): void;
  /** Set by the caller of `take`. */
  onChange: () => void;
}

/**
 * Counts the starts of one subscription in this process: a strict sliding window on the clock of the bus. It keeps the
 * starts of the last `perMs` milliseconds, `max` at most.
 */
export class LocalStarts implements Starts {
  readonly #clock: Clock;
  /** On the scale of `clock.monotonic()`, ascending. Those before `#first` are too old to count. */
  #starts: number[] = [];
  #first = 0;
  onChange: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param notBefore The start that is recorded if the rate allows it: no later than now. Now by default. */
  take(rate: RateLimit, _wanted?: number, notBefore?: number): number {
    const now = this.#clock.monotonic();
    this.#dropBefore(now - rate.perMs - LATE_AT_MOST_MS);
    const start = nextStart(this.#starts, this.#first, rate, notBefore ?? now);
    if (start > now) return start - now;
    this.#starts.push(start);
    return 0;
  }

  countWithin(rate: RateLimit, wanted: number, ms: number): number {
    const now = this.#clock.monotonic();
    const starts = this.#starts.slice(this.#first);
    for (let count = 0; count < wanted; count += 1) {
      const at = nextStart(starts, 0, rate, now);
      if (at > now + ms) return count;
      starts.push(at);
    }
    return wanted;
  }

  forget(): void {}

  #dropBefore(time: number): void {
    while (this.#first < this.#starts.length && (this.#starts[this.#first] as number) <= time) {
      this.#first += 1;
    }
    if (this.#first * 2 <= this.#starts.length) return;
    this.#starts.splice(0, this.#first);
    this.#first = 0;
  }
}

/** The run that is `max` runs later starts `perMs` milliseconds later at the earliest. */
function nextStart(starts: readonly number[], first: number, rate: RateLimit, now: number): number {
  const before = starts.length - rate.max;
  return before < first ? now : Math.max(now, (starts[before] as number) + rate.perMs);
}

/** What {@link SharedStarts} need. */
export interface SharedStartsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rates: SharedRates;
  readonly subscriberId: string;
}

/**
 * Reserves starts that are counted over all processes, by the provider's server. Asks once at a time, for all that
 * wait, and not before half of them have no start. Counts by itself as well: after the process was blocked, several
 * reserved starts are due.
 */
export class SharedStarts implements Starts {
  readonly #options: SharedStartsOptions;
  /** Reserved starts that are not taken, on the scale of `clock.monotonic()`, ascending. */
  #reserved: number[] = [];
  readonly #begun: LocalStarts;
  /** Ends the wait for the answer to the last call. An answer to an earlier call belongs to runs that were given up. */
  #endAsking: (() => void) | undefined;
  /** Before that, there is nothing to ask for. */
  #askAgainAt = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  onChange: () => void = () => {};

  constructor(options: SharedStartsOptions) {
    this.#options = options;
    this.#begun = new LocalStarts(options.clock);
  }

  take(rate: RateLimit, wanted: number): number {
    const now = this.#options.clock.monotonic();
    const [next] = this.#reserved;
    const isShort = this.#reserved.length * 2 <= wanted;
    if (isShort && !this.#endAsking && now >= this.#askAgainAt) {
      void this.#ask(rate, wanted - this.#reserved.length);
    }
    if (next !== undefined && next <= now) {
      const lateMs = Math.min(LATE_AT_MOST_MS, rate.perMs / 2);
      const waitMs = this.#begun.take(rate, wanted, Math.max(next, now - lateMs));
      if (waitMs === 0) this.#reserved.shift();
      return waitMs;
    }
    const waitMs = (next ?? Number.POSITIVE_INFINITY) - now;
    // The answer calls `onChange`.
    const askMs = isShort && !this.#endAsking ? this.#askAgainAt - now : Number.POSITIVE_INFINITY;
    return Math.min(waitMs, askMs);
  }

  /** All of them: a durable provider closes its consumers first, and then nothing is held. */
  countWithin(_rate: RateLimit, wanted: number): number {
    return wanted;
  }

  forget(): void {
    this.#endAsking?.();
    this.#endAsking = undefined;
    this.#reserved = [];
  }

  async #ask({ max, perMs }: RateLimit, count: number): Promise<void> {
    const { clock, rates, subscriberId } = this.#options;
    let endAsking = (): void => {};
    const ended = new Promise<void>((resolve) => (endAsking = resolve));
    this.#endAsking = endAsking;
    let answer: ReservedStarts | undefined;
    let failure: unknown = new Error(`The provider has not answered for ${ASK_AT_MOST_MS} ms`);
    const asked = async (): Promise<void> => {
      try {
        answer = await rates.reserve(subscriberId, { max, perMs, count, horizonMs: HORIZON_MS });
      } catch (error) {
        failure = error;
      }
    };
    await waitFor(clock, Promise.race([asked(), ended]), ASK_AT_MOST_MS);
    if (this.#endAsking !== endAsking) return;
    this.#endAsking = undefined;
    if (answer) this.#isFailing = false;
    else this.#warn(failure);
    answer ??= { waitsMs: [], retryAfterMs: RETRY_AFTER_MS };
    const now = clock.monotonic();
    for (const waitMs of answer.waitsMs) this.#reserved.push(now + waitMs);
    // Its own clock may have been read later than that of another process.
    this.#reserved.sort((a, b) => a - b);
    const isComplete = answer.waitsMs.length >= count;
    const { retryAfterMs = isComplete ? 0 : RETRY_AFTER_MS } = answer;
    this.#askAgainAt = now + retryAfterMs;
    this.onChange();
  }

  /** Once for each outage. */
  #warn(err: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    const { logger, subscriberId } = this.#options;
    logger.warn(
      { err, subscriberId },
      `The rate of subscriber "${subscriberId}" cannot be counted at the moment; its deliveries wait, and the bus asks again every second`,
    );
  }
}
