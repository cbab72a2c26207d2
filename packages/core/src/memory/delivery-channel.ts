import type { Envelope } from "../contract/provider.ts";

/**
 * The fan-out inside a process: a publish emits an envelope once per subscription that wants it, and
 * each subscription's queue listens under its id. An `EventEmitter` of eventemitter3 or of Node fits
 * as it is; a test's channel may delay, repeat, reorder or drop.
 */
export interface DeliveryChannel {
  on(subscriptionId: string, listener: (envelope: Envelope) => void): unknown;
  off(subscriptionId: string, listener: (envelope: Envelope) => void): unknown;
  emit(subscriptionId: string, envelope: Envelope): unknown;
}
