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

/** How long, and how many, dead letters are kept. */
export interface DeadLetterOptions {
  /** @default 10_000 */
  readonly maxPerSubscription?: number | undefined;
  /**
   * Milliseconds.
   *
   * @default 2_592_000_000 (30 days)
   */
  readonly maxAgeMs?: number | undefined;
}

/** Options of a bus that do not concern its provider. */
export interface BusOptions {
  /** Options of every emit that says nothing else. */
  readonly defaults?: EmitOptions | undefined;
  /**
   * How this process delivers to subscriptions that say nothing else. They go before `defaults`, and after the
   * options of a message or an emit. None by default.
   *
   * @example
   * ```ts
   * subscriptionDefaults: { attempts: 5, backoff: { type: "exponential", delay: 1_000 }, timeoutMs: 30_000 }
   * ```
   */
  readonly subscriptionDefaults?: SubscriptionDefaults | undefined;
  /**
   * `copy`: every handler gets an event of its own. `none`: the handlers of an event share one
   * object, its data, metadata and dates included, for those who do so on purpose. The emitter's own
   * objects are never shared.
   *
   * @default "copy"
   */
  readonly isolation?: "copy" | "none" | undefined;
  /**
   * Milliseconds after which an emit rejects.
   *
   * @default 10_000
   */
  readonly emitTimeoutMs?: number | undefined;
  /**
   * Hand-overs of one delivery that may end in a crash; one more, and it is dead.
   *
   * @default 5
   */
  readonly maxCrashes?: number | undefined;
  /**
   * How many events may stand between an event and the first cause of it, each emitted in the handler of the
   * one before. An emit beyond that rejects with `BUSBAR_INVALID_MESSAGE`, so that handlers whose events lead
   * back to themselves come to an end: as dead letters. Count what your longest chain needs; a handler that
   * emits its own successor needs more each time.
   *
   * @default no limit; 1_000 are warned of, once for each subscription
   */
  readonly maxCausationDepth?: number | undefined;
  /** The bound on dead letters. The oldest ones beyond it are deleted, counted and logged. */
  readonly deadLetters?: DeadLetterOptions | undefined;
  /**
   * Milliseconds after which a subscription that no process declares gets no new events.
   *
   * @default 604_800_000 (7 days)
   */
  readonly orphanedAfterMs?: number | undefined;
  /** Milliseconds after which a group that is neither released nor cleared expires. Never by default. */
  readonly groupTtlMs?: number | undefined;
  /**
   * UTF-8 bytes that the data of an event may have as JSON, together with the metadata that it is given. An
   * emit of more is refused, the same on every provider. A larger limit needs a provider that takes it: Redis
   * has `proto-max-bulk-len`, for one.
   *
   * @default 1_048_576 (1 MiB)
   */
  readonly maxPayloadBytes?: number | undefined;
  /** Milliseconds that `stop` waits for deliveries in flight. @default 20_000 */
  readonly graceMs?: number | undefined;
}

/**
 * Options of `createEventBus`. `Received` is what handlers get, where it differs from what is emitted, and `Tx` the
 * transaction of the inbox.
 */
export interface EventBusOptions<
  Events extends object = never,
  Received extends object = Events,
  Tx = unknown,
> extends BusOptions {
  /** What carries the events, such as `localProvider()`. The bus starts and stops it. */
  readonly provider: EventProvider;
  /**
   * Prefixes everything that the provider names. Letters, digits, `.`, `_` and `-`.
   *
   * @default "busbar"
   */
  readonly name?: string | undefined;
  /** Types and validates events; made by `defineEvents`. */
  readonly events?: EventCatalogue<Events, Received> | undefined;
  /** @default "shared" */
  readonly role?: Role | undefined;
  /**
   * Where the bus logs. `false`: nowhere.
   *
   * @default the console, for warnings and errors, one line each
   */
  readonly logger?: Logger | false | undefined;
  /** What handlers find in `context.container`. */
  readonly container?: ScopingContainer | undefined;
  /** Plugins, such as the outbox. They start in this order, and stop in the reverse one. None by default. */
  readonly plugins?: readonly Plugin[] | undefined;
  /**
   * Where it is recorded which events a subscription has handled, such as `pgStore({ pool })` of
   * `@busbar/outbox`. Each handler then runs in a transaction of that database, which it finds in
   * `context.tx`, and what it writes by it happens once, however often the event is delivered.
   */
  readonly inbox?: InboxStore<Tx> | undefined;
  /** Wraps every run of every delivery, the first one outermost. None by default. */
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
  /** The provider's by default, if it brings one, or else the system's. */
  readonly clock?: Clock | undefined;
  /** Numbers from 0 to below 1, for jitter. The provider's by default, or else `Math.random`. */
  readonly random?: (() => number) | undefined;
}
