import type { Role } from "./bus-options.ts";
import type { ScopingContainer } from "./container.ts";
import type { IEventBusModule } from "./event-bus-module.ts";
import type { JsonValue } from "./json.ts";
import type { GroupStaging } from "../contract/provider.ts";
import type { JsonObject } from "./json.ts";
import type { Logger } from "./logger.ts";
import type { Middleware } from "./middleware.ts";
import type { ListenToBus } from "./notices.ts";
import type { Envelope, ProviderCapabilities, PublishResult } from "./provider.ts";

/** The parts of a bus that its plugins may use. */
export interface PluginContext {
  /**
   * The role of this process. With the role `tool`, a plugin offers its services, and does no work in the background.
   */
  readonly role: Role;
  /** The logger of the bus. It removes payloads and secrets from errors. */
  readonly logger: Logger;
  /** The bus that the plugin is attached to. */
  readonly bus: IEventBusModule;
  /** The plugins of the bus, in the order of its options. A plugin finds another plugin by its name. */
  readonly plugins: readonly Plugin[];
  /**
   * The services of the application: the `container` of the bus. On a bus without a container, `resolve` throws.
   */
  readonly container: ScopingContainer;
  /** The capabilities of the provider and of the bus together. */
  readonly capabilities: ProviderCapabilities;
  /**
   * Publishes existing envelopes with their ids, without interceptors and without validation. Resolves with one result
   * for each envelope. `publishEnvelopes` waits until the bus has started and declared its subscriptions, so do not await
   * it in `start`.
   */
  publishEnvelopes(envelopes: readonly Envelope[]): Promise<readonly PublishResult[]>;
  /** Listens to the bus, as `bus.on` does. */
  readonly on: ListenToBus;
  /**
   * Calls the callback with the id of each settled event. An event is settled when all deliveries of the event, and of
   * the events that it caused, are acknowledged, dead or rejected. Before that, a crash of this process loses the event.
   * Returns a function that ends the calls. Undefined on a durable provider, where published events survive a crash.
   */
  readonly onSettled: ((callback: (eventId: string) => void) => () => void) | undefined;
}

/** The part of a plugin that keeps events until they may be published, such as the tables of the outbox. */
export interface StagingPlugin {
  /** Staging of groups that replaces the staging of the provider. */
  readonly groups?: GroupStaging | undefined;
  /**
   * Writes events in the caller's transaction, for `withTransaction(tx).emit(…)`. The `delayMs` of an event counts from
   * this call.
   */
  stage?(transaction: unknown, envelopes: readonly Envelope[]): Promise<void>;
  /**
   * Whether `stage` keeps events for their `delayMs`. Staged events can then be delayed on every provider.
   *
   * @default false
   */
  readonly delays?: boolean | undefined;
  /**
   * Deletes an event that is kept and not yet published, also from groups, if it may be published to any subscription.
   * Resolves with the number of events that were deleted.
   */
  cancel?(eventId: string): Promise<number>;
}

/** Events that the bus is about to send, as {@link Plugin.sending} sees them. */
export interface Sending {
  /**
   * Where the events go.
   *
   * - `emit`: to the provider, or partly into a group.
   * - `stage`: into a group, or into the transaction of the caller. Later sends publish them.
   * - `release`: to the provider, because their group is released. If a plugin such as the outbox keeps the group, the
   *   events go to the plugin, and a `relay` follows.
   * - `relay`: to the provider, from a plugin that kept them, such as the outbox.
   */
  readonly kind: "emit" | "stage" | "release" | "relay";
  /** The events, at least one. Times in their metadata are milliseconds since the epoch. */
  readonly events: readonly Pick<Envelope, "id" | "name" | "metadata">[];
}

/**
 * Sends the events, once. `metadata` is set on each event of an `emit` or a `stage`, in place of what the caller has
 * given: `undefined` removes a member. For the other kinds it is ignored.
 */
export type SendNext<T> = (
  metadata?: Readonly<Record<string, JsonValue | undefined>>,
) => Promise<T>;

/** Attaches to a bus: starts after its provider, and stops before it. */
export interface Plugin {
  /** The name of the plugin, for log lines and errors. */
  readonly name: string;
  /** Starts the plugin, after the provider. If it throws or rejects, so does the start of the bus. */
  start?(context: PluginContext): void | Promise<void>;
  /**
   * Stops the plugin, before the provider stops. The bus waits for `graceMs` milliseconds, and for at least a second. Then
   * it logs an error, and continues to stop.
   */
  stop?(options: { readonly graceMs: number }): void | Promise<void>;
  /**
   * Closes what the plugin needs until the provider has stopped. The bus then delivers and settles nothing more. It waits
   * as long as for {@link Plugin.stop}.
   */
  stopped?(options: { readonly graceMs: number }): void | Promise<void>;
  /**
   * Returns what `inspect()` of every process shows of this plugin, under its name: small numbers and short texts, as
   * JSON. The bus calls it every 5 seconds, and for each `inspect()` of its own process. It never holds payloads.
   */
  report?(): JsonObject;
  /** Resolves with the time of the server on which the plugin keeps events, as {@link EventProvider.serverTime} does. */
  serverTime?(): Promise<number | undefined>;
  /** The staging of events until they may be published. None by default. */
  readonly staging?: StagingPlugin | undefined;
  /** Middleware that wraps every run of every delivery, inside the middleware of the bus. None by default. */
  readonly middleware?: Middleware | undefined;
  /**
   * Wraps every send of events, such as an emit. It runs after the messages are checked, and before interceptors. It
   * has to call `next` once, and to return what `next` returns. If it rejects without calling `next`, nothing is sent.
   * It has `emitTimeoutMs` to call `next`, shared with the send: after that the send rejects with
   * `BUSBAR_EMIT_TIMEOUT`, and `next` sends nothing. If it has not ended when the events are sent and the time is over,
   * the result of `next` is the result of the send.
   * The sends of the first plugin wrap those of the next one. None by default: then a send costs nothing more.
   *
   * @example
   * ```ts
   * const tenants = definePlugin({
   *   name: "tenants",
   *   sending: (_events, next) => next({ tenant: currentTenant() }),
   * });
   * ```
   */
  sending?<T>(sending: Sending, next: SendNext<T>): Promise<T>;
}

/**
 * A store that creates the inbox of a bus, such as a store of `@busbar/outbox`.
 *
 * @typeParam Tx The transaction that handlers find in `context.tx`.
 */
export interface InboxStore<Tx = unknown> {
  /** Creates a plugin with which each subscription handles an event once, in the transaction `context.tx`. */
  createInbox(): Plugin;
  /** Carries the type of transactions from the store to the handlers. Never set at run time. */
  readonly types?: { readonly transaction: Tx } | undefined;
}

/**
 * Types a plugin.
 *
 * @example
 * ```ts
 * const deaths = definePlugin({
 *   name: "deaths",
 *   start({ on, logger }) {
 *     on("dead", ({ subscriberId, event }) => logger.error({ subscriberId, event }, "Dead"));
 *   },
 * });
 * ```
 */
export function definePlugin(plugin: Plugin): Plugin {
  return plugin;
}
