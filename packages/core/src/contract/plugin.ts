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

/** What a plugin may use of the bus it is attached to. */
export interface PluginContext {
  /**
   * What this process does. In the role `tool` a plugin offers its services, and does no work in the background.
   */
  readonly role: Role;
  /** The logger of the bus. Errors lose what must not be logged on their way through it. */
  readonly logger: Logger;
  /** The bus that the plugin is attached to. */
  readonly bus: IEventBusModule;
  /** The plugins in the options of the bus, in their order. A plugin finds others by their names. */
  readonly plugins: readonly Plugin[];
  /**
   * The services of the application: the `container` of the bus. On a bus without a container, `resolve` throws.
   */
  readonly container: ScopingContainer;
  /** What the provider can do, with what the bus adds to it. */
  readonly capabilities: ProviderCapabilities;
  /**
   * Publishes envelopes that were made before, under the ids they have: no interceptors, no
   * validation. Resolves with one result per envelope. Waits until the bus has started, so that every
   * subscription gets what it wants: do not await it in `start`.
   */
  publishEnvelopes(envelopes: readonly Envelope[]): Promise<readonly PublishResult[]>;
  /** Listens to the bus, as `bus.on` does. */
  readonly on: ListenToBus;
  /**
   * Calls back with the id of each event that is settled: it, and all that was emitted because of it,
   * is acknowledged, dead or refused. Until then a crash of this process loses it. Returns a function
   * that ends it. Undefined where the provider is durable: there, what is published is safe.
   */
  readonly onSettled: ((callback: (eventId: string) => void) => () => void) | undefined;
}

/** How a plugin keeps events until they may be published. */
export interface StagingPlugin {
  /** Takes the place of the provider's own staging of groups. */
  readonly groups?: GroupStaging | undefined;
  /**
   * Writes events within the caller's own transaction, for `withTransaction(tx).emit(…)`. Their `delayMs`
   * counts from now.
   */
  stage?(transaction: unknown, envelopes: readonly Envelope[]): Promise<void>;
  /**
   * Whether `stage` keeps events back for their `delayMs`, so that they may be delayed on a provider that
   * cannot.
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
   * Stops. The bus waits for `graceMs` milliseconds, and for at least a second: then it logs an error, and goes on
   * stopping.
   */
  stop?(options: { readonly graceMs: number }): void | Promise<void>;
  /**
   * Called when the provider has stopped too: nothing is delivered or settled any more. The bus waits as for
   * {@link Plugin.stop}.
   */
  stopped?(options: { readonly graceMs: number }): void | Promise<void>;
  /**
   * Returns what `inspect()` of every process shows of this plugin, under its name: small numbers and short texts, as
   * JSON. The bus calls it every 5 seconds, and for each `inspect()` of its own process. It never holds payloads.
   */
  report?(): JsonObject;
  /** As {@link EventProvider.serverTime}, of the server on which the plugin keeps events. */
  serverTime?(): Promise<number | undefined>;
  /** Keeps events until they may be published. None by default. */
  readonly staging?: StagingPlugin | undefined;
  /** Wraps every run of every delivery, within the middleware of the bus. None by default. */
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
 * What can make the inbox of a bus: a store of `@busbar/outbox` can.
 *
 * @typeParam Tx The transaction that handlers find in `context.tx`.
 */
export interface InboxStore<Tx = unknown> {
  /** Makes a plugin that has each subscription handle an event once, within a transaction in `context.tx`. */
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
