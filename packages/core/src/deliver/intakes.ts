import type { Clock } from "../contract/clock.ts";
import type { ScopingContainer } from "../contract/container.ts";
import type { Logger } from "../contract/logger.ts";
import type { ConsumerHandle, Deliver, EventProvider } from "../contract/provider.ts";
import { type RunDelivery, toDeliver } from "../provider/run-delivery.ts";
import type { DeliveryEngine } from "./engine.ts";
import type { Subscription } from "./subscription.ts";

/** What a consumer delivers to. */
export interface Intake {
  readonly deliver: Deliver;
  /** Returns a handle that closes the intake before the consumer. */
  closing(consumer: ConsumerHandle): ConsumerHandle;
  /** For a consumer that could not be made. */
  close(): void;
}

/** What {@link Intakes} need. */
export interface IntakesOptions {
  readonly engine: DeliveryEngine;
  readonly provider: Pick<EventProvider, "capabilities" | "rates">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What handlers find in `context.logger`. */
  readonly handlerLogger: Logger;
  readonly services: ScopingContainer;
}

/**
 * Makes what stands between consumers and the engine: nothing for most, the rate and the batches of the others. The code
 * for these is loaded with the first of them.
 */
export class Intakes {
  readonly #options: IntakesOptions;
  /**
   * Subscriptions with a rate or batches, and how many of their consumers are open or still have runs. After a pause,
   * an earlier consumer may end later than the next.
   */
  readonly #open = new Map<Subscription, number>();

  constructor(options: IntakesOptions) {
    this.#options = options;
  }

  /** Opens the intake of a consumer that is about to begin. */
  async open(subscription: Subscription): Promise<Intake> {
    const { engine } = this.#options;
    const run: RunDelivery = (delivery, settle) => engine.run(subscription, delivery, settle);
    if (!subscription.rate && !subscription.batch) {
      return { deliver: toDeliver(run), closing: (consumer) => consumer, close: () => {} };
    }
    const { openHolding } = await import("./holding-intake.ts");
    this.#count(subscription, 1);
    return openHolding(subscription, run, this.#options, () => this.#count(subscription, -1));
  }

  #count(subscription: Subscription, change: 1 | -1): void {
    const count = (this.#open.get(subscription) ?? 0) + change;
    if (count > 0) this.#open.set(subscription, count);
    else this.#open.delete(subscription);
  }

  /** The bus stops: nothing waits for what cannot happen within that time. */
  end(graceMs: number): void {
    for (const { gate, collector } of this.#open.keys()) {
      collector?.end();
      gate?.endWithin(graceMs);
    }
  }

  /** The grace of the stop is over. */
  cutShort(reason: unknown): void {
    for (const { gate, collector } of this.#open.keys()) {
      gate?.giveUp();
      collector?.cutShort(reason);
    }
  }
}
