import type { Clock } from "./clock.ts";
import type { ScopingContainer } from "./container.ts";
import type { EmitOptions } from "./event.ts";
import type { Logger } from "./logger.ts";
import type { Middleware } from "./middleware.ts";
import type { InboxStore, Plugin } from "./plugin.ts";
import type { EventProvider } from "./provider.ts";
import type { Schedule } from "./schedule.ts";
import type { EventCatalogue } from "./catalogue.ts";
import type { SubscriptionDefaults } from "./subscriber.ts";

/**
 * What a process does:
 *
 * - `shared` emits and consumes.
 * - `server` emits and never consumes. It needs a durable provider.
 * - `worker` consumes, and emits what its handlers emit.
 * - `tool` is an operator's process, such as a command. It emits, inspects and replays. It declares no subscription,
 *   consumes nothing, emits for no due time of a schedule, and releases no group that another process has left unfinished.
 */
export type Role = "shared" | "server" | "worker" | "tool";

/** Whether a process of this role takes deliveries. */
export function roleConsumes(role: Role): boolean {
  return role === "shared" || role === "worker";
}

/** Whether a process of this role emits what schedules are due for. */
export function roleFires(role: Role): boolean {
  return role !== "tool";
}

/** How many dead letters the bus keeps, and for how long. It deletes, counts and logs the oldest beyond these limits. */
export interface DeadLetterOptions {
  /**
   * The number of dead letters that a subscription keeps, at most.
   *
   * @default 10_000
   */
  readonly maxPerSubscription?: number | undefined;
  /**
   * The milliseconds after which a dead letter is deleted.
   *
   * @default 2_592_000_000 (30 days)
   */
  readonly maxAgeMs?: number | undefined;
}

/** Options of a bus that do not concern its provider. */
export interface BusOptions {
  /**
   * The default options of emits. The options of a message, of an emit and of a subscription take precedence. None by
   * default.
   */
  readonly defaults?: EmitOptions | undefined;
  /**
   * The default options of subscriptions in this process. The options of a message or an emit take precedence over them.
   * They take precedence over `defaults`. None by default.
   *
   * @example
   * ```ts
   * subscriptionDefaults: { attempts: 5, backoff: { type: "exponential", delay: 1_000 }, timeoutMs: 30_000 }
   * ```
   */
  readonly subscriptionDefaults?: SubscriptionDefaults | undefined;
  /**
   * Whether handlers of an event share its object. `copy`: each handler receives its own copy. `none`: the handlers share
   * one object with its data, metadata and dates, which saves the copies. Handlers must then not change the event. The
   * emitter's own objects are never shared.
   *
   * @default "copy"
   */
  readonly isolation?: "copy" | "none" | undefined;
  /**
   * The milliseconds after which an emit rejects, with `BUSBAR_EMIT_TIMEOUT`, `BUSBAR_OVERLOADED` or
   * `BUSBAR_UNAVAILABLE`.
   *
   * @default 10_000
   */
  readonly emitTimeoutMs?: number | undefined;
  /**
   * The number of times that the process may crash during a delivery. After one more crash, the delivery is dead.
   *
   * @default 5
   */
  readonly maxCrashes?: number | undefined;
  /**
   * The longest chain of events in which each event was emitted in a handler of the previous event. An emit beyond the
   * limit rejects with `BUSBAR_INVALID_MESSAGE`, so its handler fails. The limit ends endless chains, such as two
   * handlers that emit each other's events. Choose a limit above your longest chain.
   *
   * @default no limit. The bus warns once for each subscription with a chain of 1_000 events
   */
  readonly maxCausationDepth?: number | undefined;
  /** The limits of dead letters. The bus deletes, counts and logs the oldest dead letters beyond them. */
  readonly deadLetters?: DeadLetterOptions | undefined;
  /**
   * The milliseconds after which a subscription that no process declares receives no new events.
   *
   * @default 604_800_000 (7 days)
   */
  readonly orphanedAfterMs?: number | undefined;
  /** The milliseconds after which a group expires that is neither released nor cleared. Groups never expire by default. */
  readonly groupTtlMs?: number | undefined;
  /**
   * The size of an event's data and of the caller's metadata together, at most, in bytes of JSON as UTF-8. A larger emit
   * rejects, on every provider. For a larger limit, the server must also accept it: Redis has `proto-max-bulk-len`.
   *
   * @default 1_048_576 (1 MiB)
   */
  readonly maxPayloadBytes?: number | undefined;
  /**
   * The milliseconds that `stop` waits for deliveries in flight.
   *
   * @default 20_000
   */
  readonly graceMs?: number | undefined;
}

/**
 * The options of `createEventBus`.
 *
 * @typeParam Events The data of emitted events, by event name.
 * @typeParam Received The data that handlers receive, by event name. It differs from `Events` if a schema transforms
 *   the data.
 * @typeParam Tx The transaction of the inbox.
 *
 * @example
 * ```ts
 * const options: EventBusOptions = {
 *   name: "shop",
 *   provider: localProvider(),
 *   subscriptionDefaults: { attempts: 5, backoff: 1_000 },
 * };
 * ```
 */
export interface EventBusOptions<
  Events extends object = never,
  Received extends object = Events,
  Tx = unknown,
> extends BusOptions {
  /** The provider that carries the events, such as `localProvider()`. The bus starts and stops the provider. */
  readonly provider: EventProvider;
  /**
   * The prefix of everything that the provider stores: 1 to 100 letters, digits, `.`, `_` and `-`. Applications that
   * share a server need different names.
   *
   * @default "busbar"
   */
  readonly name?: string | undefined;
  /** The catalogue that types and validates the events. `defineEvents` makes it. None by default. */
  readonly events?: EventCatalogue<Events, Received> | undefined;
  /**
   * The role of this process.
   *
   * @default "shared"
   */
  readonly role?: Role | undefined;
  /**
   * The logger of the bus. With `false`, the bus logs nothing.
   *
   * @default the console, with one line for each warning and error
   */
  readonly logger?: Logger | false | undefined;
  /** The services that handlers find in `context.container`. Without a container, resolving a service throws. */
  readonly container?: ScopingContainer | undefined;
  /** Plugins, such as the outbox. They start in this order, and stop in the reverse one. None by default. */
  readonly plugins?: readonly Plugin[] | undefined;
  /**
   * A store that records which events a subscription has handled, such as `pgStore({ pool })` of `@busbar/outbox`. Each
   * handler then runs in a transaction of that database, `context.tx`. What the handler writes in the transaction is
   * written once, even if the event is delivered several times. None by default.
   */
  readonly inbox?: InboxStore<Tx> | undefined;
  /** Functions that wrap every run of every delivery. The first function is the outermost. None by default. */
  readonly middleware?: readonly Middleware[] | undefined;
  /**
   * Recurring emits, by id: `start` calls `bus.schedules.set` for each. A schedule that is taken out of this option stays
   * until `bus.schedules.remove` is called. A process with the role `tool` ignores the option. None by default.
   *
   * @example
   * ```ts
   * schedules: {
   *   "nightly-report": { cron: "0 2 * * *", event: "report.requested", data: { report: "sales" } },
   * }
   * ```
   */
  readonly schedules?: Readonly<Record<string, Schedule<NoInfer<Events>>>> | undefined;
  /** The clock of the bus. By default the clock of the provider, or the system's clock if the provider has none. */
  readonly clock?: Clock | undefined;
  /**
   * Returns a number from 0 to below 1, for jitter. By default the function of the provider, or `Math.random` if the
   * provider has none.
   */
  readonly random?: (() => number) | undefined;
}
