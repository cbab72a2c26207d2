import type { Clock, Timer } from "../contract/clock.ts";
import type { Envelope, PublishResult } from "../contract/provider.ts";
import type { Deque } from "./deque.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";

/** An envelope that waits for room. */
export interface Waiter {
  readonly publish: WaitingPublish;
  /** Its place in the publish. */
  readonly index: number;
  readonly envelope: Envelope;
  readonly sequence: number;
  group: WaiterGroup;
  /** It has its result, and is only still in a list. */
  done: boolean;
}

/** Waiters that go to the same queues, so that what is true of one is true of all. */
export interface WaiterGroup {
  readonly key: string;
  readonly queues: readonly SubscriptionQueue[];
  readonly waiters: Deque<Waiter>;
  live: number;
}

/** A publish of which some envelopes wait. */
export class WaitingPublish {
  readonly waiters: Waiter[] = [];
  /** Fulfilled when every envelope has its result. */
  readonly promise: Promise<readonly PublishResult[]>;
  readonly #results: PublishResult[];
  readonly #timer: Timer;
  #resolve!: (results: readonly PublishResult[]) => void;
  #settled = 0;

  /** `results` has those of the envelopes that need not wait, each at its index. */
  constructor(results: PublishResult[], clock: Clock, deadline: number, onDeadline: () => void) {
    this.#results = results;
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const delayMs = Math.max(0, deadline - clock.monotonic());
    this.#timer = clock.setTimeout(onDeadline, delayMs, { keepAlive: true });
  }

  settle(index: number, result: PublishResult): void {
    this.#results[index] = result;
    if (++this.#settled < this.waiters.length) return;
    this.#timer.cancel();
    this.#resolve(this.#results);
  }
}
