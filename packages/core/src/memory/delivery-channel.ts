import type { Envelope } from "../contract/provider.ts";

/**
 * The fan-out inside a process: a publish emits an envelope once per subscription that wants it, and
 * each subscription's queue listens under its id. An `EventEmitter` of eventemitter3 or of Node fits
 * as it is; a test's channel may delay, repeat, reorder or drop.
 */
export interface DeliveryChannel {
  /** Adds the queue of a subscription. */
  on(subscriptionId: string, listener: (envelope: Envelope) => void): unknown;
  /** Removes the queue of a subscription. */
  off(subscriptionId: string, listener: (envelope: Envelope) => void): unknown;
  /** Brings an envelope to the queue of a subscription. */
  emit(subscriptionId: string, envelope: Envelope): unknown;
}
