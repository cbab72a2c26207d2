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
  /** For a consumer that could not be made. Safe to call twice. */
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
  /** Subscriptions with a rate or batches, until none of their deliveries is in flight. */
  readonly #open = new Set<Subscription>();

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
    this.#open.add(subscription);
    return openHolding(subscription, run, this.#options, () => this.#open.delete(subscription));
  }

  /** The bus stops: nothing waits for what cannot happen within that time. */
  end(graceMs: number): void {
    for (const { gate, collector } of this.#open) {
      collector?.end();
      gate?.endWithin(graceMs);
    }
  }

  /** The grace of the stop is over. */
  cutShort(reason: unknown): void {
    for (const { gate, collector } of this.#open) {
      gate?.giveUp();
      collector?.cutShort(reason);
    }
  }
}
