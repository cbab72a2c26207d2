import type { AsyncResource } from "node:async_hooks";
import type { Clock } from "../contracts/clock.ts";
import type { ProviderContext, ProviderReport } from "../contracts/provider.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";

/** What the queues of one provider share. */
export interface QueueHost {
  readonly clock: Clock;
  readonly deadLetters: ProviderContext["deadLetters"];
  /** The most deliveries that wait in one queue. */
  readonly maxPending: number;
  readonly deduplicationWindowMs: number;
  /**
   * Deliveries run in here and not in the async context of whoever published last: a handler must not
   * find the emitter's AsyncLocalStorage, which it would not on a provider that crosses processes.
   */
  readonly scope: AsyncResource;
  /** Numbers what enters any queue. */
  nextSequence(): number;
  report(report: ProviderReport): void;
  /** Deliveries have left those that wait in a queue, or were settled. */
  progressed(): void;
  consumerEnded(queue: SubscriptionQueue): void;
}
