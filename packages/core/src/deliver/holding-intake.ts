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
 * @param onClosed Called when the last consumer of the subscription has ended.
 */
export function openHolding(
  subscription: Subscription,
  run: RunDelivery,
  options: IntakesOptions,
  onClosed: () => void,
): Intake {
  const { rate, batch } = subscription;
  const { engine } = options;
  const gate = rate && (subscription.gate ?? gateOf(subscription, options));
  // The file that subscribes may be evaluated again, without a rate: then its batches wait for none.
  subscription.gate = gate;
  // It stays for runs that have begun with batches.
  const collector = batch && (subscription.collector ??= collectorOf(subscription, options));
  gate?.open();
  collector?.open();
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    collector?.close();
    gate?.close();
  };
  return {
    // A batch is one run: its collector waits for the rate.
    deliver: toDeliver(gate && !collector ? paced(subscription, gate, run, engine) : run),
    closing: (consumer) => ({
      close: async (closeOptions) => {
        close();
        await consumer.close(closeOptions);
        if (!subscription.consumer) onClosed();
      },
    }),
    close,
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
