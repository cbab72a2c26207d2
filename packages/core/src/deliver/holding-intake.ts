import { type RunDelivery, toDeliver } from "../provider/run-delivery.ts";
import { BatchCollector } from "./batch-collector.ts";
import type { DeliveryEngine } from "./engine.ts";
import type { Intake, IntakesOptions } from "./intakes.ts";
import { RateGate } from "./rate-gate.ts";
import { LocalStarts, SharedStarts } from "./starts.ts";
import type { Subscription } from "./subscription.ts";

/**
 * Opens the intake of a consumer whose subscription has a rate or batches.
 *
 * @param run Runs a delivery of the subscription.
 * @param onClosed Called once, when the consumer and all its runs have ended.
 */
export function openHolding(
  subscription: Subscription,
  run: RunDelivery,
  options: IntakesOptions,
  onClosed: () => void,
): Intake {
  const { rate, batch } = subscription;
  const { engine } = options;
  // It stays when the file that subscribes is evaluated again without a rate: the rate may come back.
  const gate = rate && (subscription.gate ??= gateOf(subscription, options));
  // It stays for runs that have begun with batches.
  const collector = batch && (subscription.collector ??= collectorOf(subscription, options));
  gate?.open();
  collector?.open(gate);
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    collector?.close(gate);
    gate?.close();
  };
  return {
    // A batch is one run: its collector waits for the rate.
    deliver: toDeliver(gate && !collector ? paced(subscription, gate, run, engine) : run),
    closing: (consumer) => ({
      close: async (closeOptions) => {
        close();
        await consumer.close(closeOptions);
        onClosed();
      },
    }),
    close: () => {
      close();
      onClosed();
    },
  };
}

function collectorOf(subscription: Subscription, options: IntakesOptions): BatchCollector {
  const { engine } = options;
  return new BatchCollector(subscription, {
    ...options,
    onLate: (first, tookMs) => engine.endedLate(first, tookMs),
  });
}

function gateOf(subscription: Subscription, { provider, clock, logger }: IntakesOptions): RateGate {
  const { rates, capabilities } = provider;
  const starts =
    capabilities.durable && rates
      ? new SharedStarts({ clock, logger, rates, subscriberId: subscription.id })
      : new LocalStarts(clock);
  return new RateGate({ clock, starts, rate: () => subscription.rate });
}

function paced(
  subscription: Subscription,
  gate: RateGate,
  run: RunDelivery,
  engine: DeliveryEngine,
): RunDelivery {
  return (delivery, settle) => {
    // What runs no handler needs no start.
    if (!engine.wouldRun(subscription, delivery)) run(delivery, settle);
    else {
      gate.hold({
        begin: () => run(delivery, settle),
        release: (delayMs) =>
          settle({ type: "release", ...(delayMs !== undefined && { delayMs }) }),
      });
    }
  };
}
