import type { Event } from "./event.ts";
import type { DeliveryContext } from "./subscriber.ts";

/** One run of one delivery, as middleware sees it. */
export interface DeliveryRun {
  /** The event, as the first handler gets it. */
  readonly event: Event;
  /** Middleware that begins a transaction for the run puts it into `tx`. */
  readonly context: Omit<DeliveryContext, "tx"> & { tx?: unknown };
}

/**
 * Wraps every run of every delivery. `next` runs the rest and rejects when the run fails; what the
 * middleware throws fails the run, and not calling `next` acknowledges without handling.
 */
export type Middleware = (delivery: DeliveryRun, next: () => Promise<void>) => void | Promise<void>;
