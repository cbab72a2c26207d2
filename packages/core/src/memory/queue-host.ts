import type { Clock } from "../contract/clock.ts";
import type { ProviderContext, ProviderReport } from "../contract/provider.ts";
import type { HandOverTurn } from "./hand-over.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";

/** What the queues of one provider share. */
export interface QueueHost {
  readonly clock: Clock;
  readonly deadLetters: ProviderContext["deadLetters"];
  /** The most deliveries that wait in one queue. */
  readonly maxPending: number;
  readonly deduplicationWindowMs: number;
  /** In which deliveries are handed over. */
  readonly turn: HandOverTurn;
  /** Numbers what enters any queue: the last number that was given. */
  lastSequence: number;
  report(report: ProviderReport): void;
  /** Deliveries have left those that wait in a queue, or were settled. */
  progressed(): void;
  consumerEnded(queue: SubscriptionQueue): void;
}
