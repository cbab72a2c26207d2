import type { Event } from "./event.ts";

/** The stage at which an interceptor sees an event: at `emit`, or when its group is released. */
export interface InterceptorContext {
  /** Whether the event comes from a group that is being released. */
  readonly isGrouped: boolean;
  /** The group that is being released. Undefined for an event that is not grouped. */
  readonly eventGroupId?: string | undefined;
}

/**
 * Sees each event before it is published, even if no subscription matches the event. Interceptors run at `emit`, and for
 * a grouped event at its release. The bus runs them one after another, and awaits each.
 *
 * - If the interceptor returns an event, that event replaces the original. The `id` does not change.
 * - If it returns `null`, the bus drops the event and counts it.
 * - If it throws, the emit rejects, and none of its events is sent.
 *
 * After a crash, a release may run interceptors again. Its events are still published once.
 */
export type Interceptor = (
  event: Event,
  context: InterceptorContext,
) => void | Event | null | Promise<void | Event | null>;
