import type { SubscriberContext } from "../contract/subscriber.ts";
import type { SubscriberArgs } from "../deliver/subscriber-args.ts";

/**
 * The `config` that a subscriber file exports beside its handler, or that its handler has as a
 * member, as those that a catalogue's `subscriber` makes.
 *
 * @example
 * ```ts
 * // src/subscribers/orders/send-receipt.ts: its id is "orders/send-receipt"
 * export default async function ({ event, container }: SubscriberArgs<{ orderId: string }>) {
 *   await container.resolve("mailer").sendReceipt(event.data.orderId);
 * }
 *
 * export const config: SubscriberConfig = { event: "order.placed", context: { attempts: 5 } };
 * ```
 */
export interface SubscriberConfig {
  /** The events, by name or pattern. */
  readonly event: string | readonly string[];
  /**
   * How the subscription is delivered to. `subscriberId` defaults to the file's path under the
   * subscribers folder, without its extension: give the old one in `aliases` when a file moves.
   * For a {@link SubscriberModule}, it defaults to the module's key in the configuration.
   */
  readonly context?: SubscriberContext | undefined;
}

/** The exports of a subscriber file that the application imports itself. See `SubscriberModules`. */
export interface SubscriberModule {
  /** The handler. */
  default(args: SubscriberArgs<unknown>): void | Promise<void>;
  /** The events and the policy. Taken from the handler's own `config` by default. */
  readonly config?: SubscriberConfig | undefined;
}
