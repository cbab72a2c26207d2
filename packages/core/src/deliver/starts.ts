import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { ReservedStarts, SharedRates } from "../contract/rates.ts";
import type { RateLimit } from "../contract/subscriber.ts";

/** Milliseconds before starts are asked for again after a failure. */
const RETRY_AFTER_MS = 1_000;
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

  take(rate: RateLimit): number {
    const now = this.#clock.monotonic();
    this.#dropBefore(now - rate.perMs);
    const waitMs = nextStart(this.#starts, this.#first, rate, now) - now;
    if (waitMs > 0) return waitMs;
    this.#starts.push(now);
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
 * wait, and not before half of them have no start.
 */
export class SharedStarts implements Starts {
  readonly #options: SharedStartsOptions;
  /** Reserved starts that are not taken, on the scale of `clock.monotonic()`, ascending. */
  #reserved: number[] = [];
  #isAsking = false;
  /** Before that, there is nothing to ask for. */
  #askAgainAt = Number.NEGATIVE_INFINITY;
  /** An answer to an earlier round belongs to runs that were given up. */
  #round = 0;
  #isFailing = false;
  onChange: () => void = () => {};

  constructor(options: SharedStartsOptions) {
    this.#options = options;
  }

  take(rate: RateLimit, wanted: number): number {
    const now = this.#options.clock.monotonic();
    const [next] = this.#reserved;
    const isShort = this.#reserved.length * 2 <= wanted;
    if (isShort && !this.#isAsking && now >= this.#askAgainAt) {
      void this.#ask(rate, wanted - this.#reserved.length);
    }
    if (next !== undefined && next <= now) {
      this.#reserved.shift();
      return 0;
    }
    const waitMs = (next ?? Number.POSITIVE_INFINITY) - now;
    // The answer calls `onChange`.
    const askMs = isShort && !this.#isAsking ? this.#askAgainAt - now : Number.POSITIVE_INFINITY;
    return Math.min(waitMs, askMs);
  }

  /** All of them: a durable provider closes its consumers first, and then nothing is held. */
  countWithin(_rate: RateLimit, wanted: number): number {
    return wanted;
  }

  forget(): void {
    this.#round += 1;
    this.#reserved = [];
  }

  async #ask({ max, perMs }: RateLimit, count: number): Promise<void> {
    const { clock, rates, subscriberId } = this.#options;
    const round = this.#round;
    this.#isAsking = true;
    let answer: ReservedStarts;
    try {
      answer = await rates.reserve(subscriberId, { max, perMs, count, horizonMs: HORIZON_MS });
      this.#isFailing = false;
    } catch (error) {
      this.#warn(error);
      answer = { waitsMs: [], retryAfterMs: RETRY_AFTER_MS };
    }
    this.#isAsking = false;
    const now = clock.monotonic();
    if (round === this.#round) {
      for (const waitMs of answer.waitsMs) this.#reserved.push(now + waitMs);
      // Its own clock may have been read later than that of another process.
      this.#reserved.sort((a, b) => a - b);
    }
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
