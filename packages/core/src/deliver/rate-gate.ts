import { detachedScope } from "../causality/causality.ts";
import type { Clock, Timer } from "../contract/clock.ts";
import type { RateLimit } from "../contract/subscriber.ts";
import type { Starts } from "./starts.ts";

/** A run that waits for its start. */
export interface HeldRun {
  /** Begins the run. Must not throw. */
  begin(): void;
  /** Gives the run up, uncounted, for `delayMs` milliseconds if they are given. Must not throw. */
  release(delayMs: number | undefined): void;
}

/** What a {@link RateGate} needs. */
export interface RateGateOptions {
  readonly clock: Clock;
  /** Read at each start: the file that subscribes may be evaluated again. Undefined: there is no limit any more. */
  readonly rate: () => RateLimit | undefined;
  readonly starts: Starts;
}

const RESOLVED = Promise.resolve();

/**
 * Holds the runs of one subscription in this process until the rate lets them start, in the order in which they came.
 * What it holds is given up when the last consumer closes.
 */
export class RateGate {
  readonly #options: RateGateOptions;
  /** No run may find the async context of another. */
  readonly #scope = detachedScope();
  #held: HeldRun[] = [];
  #timer: Timer | undefined;
  #consumers = 0;
  #isPassing = false;
  /** On the scale of `clock.monotonic()`: what cannot start before is given up. */
  #endsAt = Number.POSITIVE_INFINITY;

  constructor(options: RateGateOptions) {
    this.#options = options;
    options.starts.onChange = () => this.#pass();
  }

  /** A consumer has begun. */
  open(): void {
    this.#consumers += 1;
  }

  /** A consumer ends: gives up what is held, and once there is no consumer, all that comes. */
  close(): void {
    this.#consumers -= 1;
    this.giveUp();
  }

  /** Gives up what cannot start before the bus has stopped, from now on. */
  endWithin(ms: number): void {
    this.#endsAt = this.#options.clock.monotonic() + ms;
    for (const held of this.#held.splice(this.#startsInTime(this.#held.length))) {
      held.release(this.#awayMs);
    }
  }

  /** Gives up all that is held. */
  giveUp(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#options.starts.forget();
    for (const held of this.#held.splice(0)) held.release(undefined);
  }

  /** Begins a run as soon as the rate allows, at once if it does. */
  hold(held: HeldRun): void {
    if (this.#consumers <= 0) {
      // Never before the caller has returned.
      void RESOLVED.then(() => held.release(undefined));
      return;
    }
    if (this.#startsInTime(this.#held.length + 1) <= this.#held.length) {
      void RESOLVED.then(() => held.release(this.#awayMs));
      return;
    }
    this.#held.push(held);
    this.#pass();
  }

  /** How many of so many can start before the bus has stopped. */
  #startsInTime(count: number): number {
    const { clock, rate, starts } = this.#options;
    const limit = rate();
    if (this.#endsAt === Number.POSITIVE_INFINITY || limit === undefined) return count;
    return starts.countWithin(limit, count, this.#endsAt - clock.monotonic());
  }

  /** Milliseconds until after the stop: a provider in memory waits for nothing that is due later. */
  get #awayMs(): number {
    return Math.max(0, this.#endsAt - this.#options.clock.monotonic()) + 1;
  }

  #pass(): void {
    // A run that begins may bring the next one here.
    if (this.#isPassing) return;
    this.#isPassing = true;
    this.#scope.runInAsyncScope(this.#passAll);
    this.#isPassing = false;
  }

  readonly #passAll = (): void => {
    const { rate, starts } = this.#options;
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#held.length > 0) {
      const limit = rate();
      const waitMs = limit ? starts.take(limit, this.#held.length) : 0;
      if (waitMs > 0) {
        this.#wakeAfter(waitMs);
        return;
      }
      this.#held.shift()?.begin();
    }
  };

  #wakeAfter(waitMs: number): void {
    // `onChange` does.
    if (waitMs === Number.POSITIVE_INFINITY) return;
    // A timer counts whole milliseconds, and none must start too early.
    this.#timer = this.#options.clock.setTimeout(() => this.#pass(), Math.ceil(waitMs), {
      keepAlive: true,
    });
  }
}
