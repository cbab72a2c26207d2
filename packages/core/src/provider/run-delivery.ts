import type { Deliver, Delivery, Settlement } from "../contract/provider.ts";

/** Hears what becomes of a delivery; undefined if it is unsettled. */
export type Settle = (settlement: Settlement | undefined) => void;

/** Runs one delivery once. Never throws, and calls `settle` once, after it has returned. */
export type RunDelivery = (delivery: Delivery, settle: Settle) => void;

const RUN = Symbol("run");

/** Makes what a provider delivers with. */
export function toDeliver(run: RunDelivery): Deliver {
  const deliver: Deliver = (delivery) =>
    new Promise((resolve, reject) => {
      run(delivery, (settlement) => {
        if (settlement) resolve(settlement);
        else reject(new Error("The bus could not settle the delivery"));
      });
    });
  return Object.assign(deliver, { [RUN]: run });
}

/**
 * Gives the way to run deliveries that is behind what a provider got: without a promise, if nobody has wrapped it.
 * For queues in this process, where a promise for each delivery costs a tenth of the delivery on Node 20.
 */
export function toRunDelivery(deliver: Deliver): RunDelivery {
  const { [RUN]: run } = deliver as { readonly [RUN]?: RunDelivery };
  return run ?? ((delivery, settle) => runByPromise(deliver, delivery, settle));
}

function runByPromise(deliver: Deliver, delivery: Delivery, settle: Settle): void {
  // An object of its own: unlike the bus, the other may keep it.
  const { envelope, state, crashes } = delivery;
  try {
    deliver({ envelope, state, crashes }).then(settle, () => settle(undefined));
  } catch {
    // Against the contract, and to the queue nothing but a delivery without a settlement.
    settle(undefined);
  }
}
