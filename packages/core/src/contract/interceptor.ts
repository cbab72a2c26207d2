import type { Event } from "./event.ts";

/** Where an interceptor meets an event. */
export interface InterceptorContext {
  /** Whether the event comes from a group that is being released. */
  readonly isGrouped: boolean;
  /** The group that is being released. Undefined for an event that is not grouped. */
  readonly eventGroupId?: string | undefined;
}

/**
 * Sees each event before it is published, also when nobody subscribes: at `emit`, and for a grouped
 * event at its release. Interceptors run one after the other and are awaited.
 *
 * Returning an event replaces the one seen (its `id` stays), `null` drops and counts it, a throw
 * rejects the emit and sends nothing of it. A release may run interceptors again after a crash;
 * its events still appear once.
 */
export type Interceptor = (
  event: Event,
  context: InterceptorContext,
) => void | Event | null | Promise<void | Event | null>;
