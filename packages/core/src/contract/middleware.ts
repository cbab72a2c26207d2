import type { Event } from "./event.ts";
import type { DeliveryContext } from "./subscriber.ts";

/** The run of a delivery that a {@link Middleware} wraps. */
export interface DeliveryRun {
  /** The event that the first handler receives. */
  readonly event: Event;
  /** The context of the run. Middleware that begins a transaction for the run stores the transaction in `tx`. */
  readonly context: Omit<DeliveryContext, "tx"> & { tx?: unknown };
}

/**
 * Wraps every run of every delivery. `next()` runs the remaining middleware and the handler. It rejects if the run fails.
 * If the middleware throws, the run fails. If it returns without calling `next()`, the delivery is acknowledged and the
 * handler does not run.
 *
 * @example
 * ```ts
 * const timed: Middleware = async ({ event }, next) => {
 *   const startedAt = performance.now();
 *   await next();
 *   timings.record(event.name, performance.now() - startedAt);
 * };
 * ```
 */
export type Middleware = (delivery: DeliveryRun, next: () => Promise<void>) => void | Promise<void>;
