import { type Delivery, type Envelope, matchesPattern } from "@busbar/core/provider";
import type { Faults, DeliveryFault, PublishFault } from "./faults.ts";
import { createRandom, type Random } from "./random.ts";

/**
 * Which deliveries of a subscription a fault is for. One that is asked for later begins to count when
 * the one before it is used up.
 */
export interface FaultOptions {
  /**
   * How many it is for, one after the other.
   *
   * @default 1
   */
  readonly times?: number | undefined;
  /**
   * How many go well before: 2 makes it the third.
   *
   * @default 0
   */
  readonly after?: number | undefined;
  /** Only those of events with this name, or that match this pattern. All by default. */
  readonly event?: string | undefined;
}

/** Options of `failNext`. */
export interface FailOptions extends FaultOptions {
  /**
   * What the run fails with, as if the handler had thrown it.
   *
   * @default new Error("Injected failure")
   */
  readonly error?: unknown;
}

/** Options of `crashNext`. */
export interface CrashOptions extends FaultOptions {
  /**
   * When the process dies: `before` the handler has begun, or `after` it has done its work and before
   * that was recorded.
   *
   * @default "after"
   */
  readonly when?: "before" | "after" | undefined;
}

/** Options of `rejectPublish`. */
export interface RejectPublishOptions {
  /** How many publishes are refused. @default 1 */
  readonly times?: number | undefined;
  /** How many go well before. @default 0 */
  readonly after?: number | undefined;
  /** What the error message of the emit says. @default "Injected refusal" */
  readonly reason?: string | undefined;
  /** The bus tries again by itself, every 50 ms. @default false */
  readonly retryable?: boolean | undefined;
}

/** Options of `timeOutPublish`. */
export interface TimeOutPublishOptions {
  /** How many publishes get no answer. @default 1 */
  readonly times?: number | undefined;
  /** How many go well before. @default 0 */
  readonly after?: number | undefined;
  /** Whether the events were accepted all the same, and are delivered. @default false */
  readonly accepted?: boolean | undefined;
}

/** Options of `reorder`. */
export interface ReorderOptions {
  /** The same seed gives the same order. @default 1 */
  readonly seed?: number | undefined;
  /** The most milliseconds of virtual time that a delivery comes late. @default 10 */
  readonly windowMs?: number | undefined;
}

/** A fault that waits for its turn. */
interface Planned<T> {
  readonly fault: T;
  readonly event: string | undefined;
  after: number;
  times: number;
}

/** The faults that a test asks for, one by one. */
export class InjectedFaults implements Faults {
  readonly #publish: Planned<PublishFault>[] = [];
  readonly #arrivals = new Map<string, Planned<readonly number[]>[]>();
  readonly #deliveries = new Map<string, Planned<DeliveryFault>[]>();
  #random: Random | undefined;
  #windowMs = 0;

  failNext(subscriberId: string, options: FailOptions): void {
    const { error = new Error("Injected failure") } = options;
    plan(this.#deliveries, subscriberId, { type: "fail", error, applied() {} }, options);
  }

  crashNext(subscriberId: string, options: CrashOptions): void {
    plan(this.#deliveries, subscriberId, { type: "crash", at: options.when ?? "after" }, options);
  }

  arriveNext(subscriberId: string, copies: readonly number[], options: FaultOptions): void {
    for (const delayMs of copies) assertMs("delayMs", delayMs);
    plan(this.#arrivals, subscriberId, copies, options);
  }

  rejectPublish(options: RejectPublishOptions): void {
    const { reason = "Injected refusal", retryable = false } = options;
    this.#publish.push(planned({ type: "reject", reason, retryable }, options));
  }

  timeOutPublish(options: TimeOutPublishOptions): void {
    const { accepted = false } = options;
    this.#publish.push(planned({ type: "time-out", accepted }, options));
  }

  reorder({ seed = 1, windowMs = 10 }: ReorderOptions): void {
    assertMs("windowMs", windowMs);
    this.#random = createRandom(seed);
    this.#windowMs = windowMs;
  }

  clear(): void {
    this.#publish.length = 0;
    this.#arrivals.clear();
    this.#deliveries.clear();
    this.#random = undefined;
  }

  publish(): PublishFault | undefined {
    return take(this.#publish, undefined)?.fault;
  }

  arrivals(subscriberId: string, { name }: Envelope): readonly number[] | undefined {
    const given = take(this.#arrivals.get(subscriberId), name)?.fault;
    if (given || !this.#random) return given;
    return [Math.floor(this.#random() * (this.#windowMs + 1))];
  }

  delivery(subscriberId: string, { envelope }: Delivery): DeliveryFault | undefined {
    const found = take(this.#deliveries.get(subscriberId), envelope.name);
    if (found?.fault.type !== "fail") return found?.fault;
    // A delivery that is released before it ran has not used it up.
    found.times += 1;
    return { ...found.fault, applied: () => void (found.times -= 1) };
  }
}

function plan<T>(
  all: Map<string, Planned<T>[]>,
  subscriberId: string,
  fault: T,
  options: FaultOptions,
): void {
  const known = all.get(subscriberId) ?? [];
  known.push(planned(fault, options));
  all.set(subscriberId, known);
}

function planned<T>(fault: T, options: FaultOptions): Planned<T> {
  const { times = 1, after = 0, event } = options;
  if (!(Number.isSafeInteger(times) || times === Infinity) || times < 1) {
    throw new TypeError(`times must be a whole number from 1, and is ${times}`);
  }
  if (!Number.isSafeInteger(after) || after < 0) {
    throw new TypeError(`after must be a whole number from 0, and is ${after}`);
  }
  return { fault, times, after, event };
}

/** The first that is for this event: those planned later begin to count when it is used up. */
function take<T>(all: Planned<T>[] | undefined, name: string | undefined): Planned<T> | undefined {
  const next = all?.find(
    ({ times, event }) =>
      times > 0 && (event === undefined || name === undefined || matchesPattern(event, name)),
  );
  if (!next) return undefined;
  if (next.after > 0) {
    next.after -= 1;
    return undefined;
  }
  next.times -= 1;
  return next;
}

function assertMs(option: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return;
  throw new TypeError(`${option} must be a number of milliseconds from 0, and is ${value}`);
}
