import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { ConsumerHandle, Deliver, EventProvider } from "../contract/provider.ts";
import { type RunDelivery, toDeliver } from "../provider/run-delivery.ts";
import { BatchCollector } from "./batch-collector.ts";
import type { BatchSurroundings } from "./batch-call.ts";
import type { DeliveryEngine } from "./engine.ts";
import { RateGate } from "./rate-gate.ts";
import { LocalStarts, SharedStarts } from "./starts.ts";
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
export interface IntakesOptions extends Pick<BatchSurroundings, "handlerLogger" | "services"> {
  readonly engine: DeliveryEngine;
  readonly provider: Pick<EventProvider, "capabilities" | "rates">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes what stands between consumers and the engine: nothing for most, the rate and the batches of the others. */
export class Intakes {
  readonly #options: IntakesOptions;
  readonly #surroundings: BatchSurroundings;
  /** Those with a rate or batches, until nothing of theirs is in flight. */
  readonly #open = new Set<Subscription>();

  constructor(options: IntakesOptions) {
    const { engine } = options;
    this.#options = options;
    this.#surroundings = {
      ...options,
      onLate: (run, tookMs) => engine.endedLate(run, tookMs),
    };
  }

  /** Opens the intake of a consumer that is about to begin. */
  open(subscription: Subscription): Intake {
    const { engine } = this.#options;
    const run: RunDelivery = (delivery, settle) => engine.run(subscription, delivery, settle);
    const { rate, batch } = subscription;
    if (!rate && !batch) {
      return { deliver: toDeliver(run), closing: (consumer) => consumer, close: () => {} };
    }
    const gate = rate && (subscription.gate ??= this.#gateOf(subscription));
    const collector =
      batch && (subscription.collector ??= new BatchCollector(subscription, this.#surroundings));
    gate?.open();
    collector?.open();
    this.#open.add(subscription);
    let isClosed = false;
    const close = (): void => {
      if (isClosed) return;
      isClosed = true;
      collector?.close();
      gate?.close();
    };
    return {
      // A batch is one run: its collector waits for the rate.
      deliver: toDeliver(gate && !collector ? this.#paced(subscription, gate, run) : run),
      closing: (consumer) => ({
        close: async (options) => {
          close();
          await consumer.close(options);
          if (!subscription.consumer) this.#open.delete(subscription);
        },
      }),
      close,
    };
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

  #gateOf(subscription: Subscription): RateGate {
    const { provider, clock, logger } = this.#options;
    const { rates, capabilities } = provider;
    const starts =
      capabilities.durable && rates
        ? new SharedStarts({ clock, logger, rates, subscriberId: subscription.id })
        : new LocalStarts(clock);
    return new RateGate({ clock, starts, rate: () => subscription.rate });
  }

  #paced(subscription: Subscription, gate: RateGate, run: RunDelivery): RunDelivery {
    return (delivery, settle) => {
      // What runs no handler needs no start.
      if (!this.#options.engine.wouldRun(subscription, delivery)) run(delivery, settle);
      else {
        gate.hold({
          begin: () => run(delivery, settle),
          release: (delayMs) =>
            settle({ type: "release", ...(delayMs !== undefined && { delayMs }) }),
        });
      }
    };
  }
}
