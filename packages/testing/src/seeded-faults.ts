import {
  type Check,
  checks,
  type Delivery,
  type OptionCheck,
  optionsWithin,
} from "@busbar/core/provider";
import type { Faults, DeliveryFault } from "./faults.ts";
import { createRandom, type Random } from "./random.ts";

/** A handler that pauses is interrupted at one of its first pauses. */
const LAST_PAUSE = 4;
/** Fewer than the bus takes for a delivery that it must give up (`maxCrashes`, 5). */
const MAX_CRASHES = 2;
/** By how much a seed takes more or less of a fault. With 0 there are traces that show one fault alone. */
const MEASURES: readonly number[] = [0, 0.5, 1, 2];

/** How much goes wrong in a simulation. Shares are from 0, never, to 1, always. */
export interface SimulatedFaults {
  /**
   * The share of deliveries that come late, so that others overtake them. Order that a subscription
   * asks for is kept.
   *
   * @default 0.5
   */
  readonly delays?: number | undefined;
  /**
   * The most milliseconds of virtual time by which a delivery is late.
   *
   * @default 1_000
   */
  readonly maxDelayMs?: number | undefined;
  /**
   * The share of deliveries that come twice.
   *
   * @default 0.2
   */
  readonly duplicates?: number | undefined;
  /**
   * The share of deliveries that end in a crash: before the handler, after it, or in one of its
   * pauses. No delivery has more than two.
   *
   * @default 0.1
   */
  readonly crashes?: number | undefined;
  /**
   * The most milliseconds of virtual time that a `pause` takes.
   *
   * @default 100
   */
  readonly maxPauseMs?: number | undefined;
}

const share: Check = (value) =>
  typeof value === "number" && value >= 0 && value <= 1
    ? undefined
    : "must be a number from 0 to 1";

/** Checks {@link SimulatedFaults}. */
export const checkFaults: OptionCheck = optionsWithin<SimulatedFaults>({
  delays: share,
  maxDelayMs: checks.wholeFrom(0),
  duplicates: share,
  crashes: share,
  maxPauseMs: checks.wholeFrom(0),
});

/** The faults of one seed. */
export class SeededFaults implements Faults {
  readonly #random: Random;
  readonly #delays: number;
  readonly #duplicates: number;
  readonly #crashes: number;
  readonly #maxDelayMs: number;
  readonly #maxPauseMs: number;

  constructor(seed: number, faults: SimulatedFaults) {
    const { delays = 0.5, duplicates = 0.2, crashes = 0.1 } = faults;
    const { maxDelayMs = 1_000, maxPauseMs = 100 } = faults;
    this.#random = createRandom(seed);
    this.#delays = this.#measured(delays);
    this.#duplicates = this.#measured(duplicates);
    this.#crashes = this.#measured(crashes);
    this.#maxDelayMs = maxDelayMs;
    this.#maxPauseMs = maxPauseMs;
  }

  publish(): undefined {
    return undefined;
  }

  arrivals(): readonly number[] {
    const first = this.#delay();
    return this.#happens(this.#duplicates) ? [first, first + this.#delay()] : [first];
  }

  delivery(_: string, { crashes }: Delivery): DeliveryFault | undefined {
    if (crashes >= MAX_CRASHES || !this.#happens(this.#crashes)) return undefined;
    const at = this.#upTo(LAST_PAUSE + 1);
    return { type: "crash", at: at === 0 ? "before" : at > LAST_PAUSE ? "after" : at };
  }

  /** Milliseconds that a pause takes. */
  pauseMs(): number {
    return this.#upTo(this.#maxPauseMs);
  }

  #delay(): number {
    return this.#happens(this.#delays) ? this.#upTo(this.#maxDelayMs) : 0;
  }

  #measured(share: number): number {
    // All that is sure to happen does, and what never happens does not.
    if (share === 0 || share === 1) return share;
    return Math.min(0.9, share * (MEASURES[this.#upTo(MEASURES.length - 1)] ?? 1));
  }

  #happens(share: number): boolean {
    return this.#random() < share;
  }

  /** A whole number from 0 to `most`. */
  #upTo(most: number): number {
    return Math.floor(this.#random() * (most + 1));
  }
}
