import type { BusOptions, Role } from "../contract/bus-options.ts";
import type { ServiceResolver } from "./container.ts";
import type { EventModule } from "../contract/event-module.ts";
import type { Logger } from "../contract/logger.ts";
import type { Middleware } from "../contract/middleware.ts";
import type { InboxStore, Plugin } from "../contract/plugin.ts";
import type { EventCatalogue } from "../contract/catalogue.ts";
import type { Schedule } from "../contract/schedule.ts";
import type { SubscriptionDefaults } from "../contract/subscriber.ts";
import type { BatchSubscriberArgs, SubscriberModule } from "../events/subscriber.ts";

/** Which event module an application uses, and with what options. */
export interface ModuleConfig {
  /**
   * A package name or a path, both resolved like the paths of `subscribers`, or the module itself. A path leads to a file, or to a directory with a `package.json` or an index file.
   */
  readonly resolve: string | EventModule;
  /** Validated at start by the module's own schema; `{}` when absent. */
  readonly options?: unknown;
  /** @deprecated Give `inbox` to the configuration, beside `modules`. */
  readonly inbox?: InboxStore | undefined;
  /** Passes over this module. @default false */
  readonly disable?: boolean | undefined;
}

/** A {@link ModuleConfig} in the array form of `modules`. */
export interface ModuleEntry extends ModuleConfig {
  /** What the module is for. Events, today. @default "event_bus" */
  readonly key?: "event_bus" | "eventBus" | undefined;
}

/** The object form of `modules`. `eventBus` and `event_bus` are the same key. */
export interface ModulesByKey {
  readonly eventBus?: ModuleConfig | undefined;
  readonly event_bus?: ModuleConfig | undefined;
}

/** A folder of subscriber files, with defaults of its own. */
export interface SubscribersFolder {
  /** The path of the folder, relative to the configuration file, or its `file:` URL. */
  readonly folder: string | URL;
  /** How the folder's subscriptions are delivered to. Go before `bus.subscriptionDefaults`. None by default. */
  readonly defaults?: SubscriptionDefaults | undefined;
}

/**
 * Subscriber files that the application imports itself, such as one that is bundled into one file: no folder is
 * left to look into.
 *
 * @example
 * ```ts
 * import * as sendReceipt from "./subscribers/orders/send-receipt.ts";
 *
 * export default defineConfig({ subscribers: { modules: { "orders/send-receipt": sendReceipt } } });
 * ```
 */
export interface SubscriberModules {
  /** The exports of each file, by its id: the default of `subscriberId`. */
  readonly modules: Readonly<
    Record<string, SubscriberModule | SubscriberModule<BatchSubscriberArgs>>
  >;
  /** How these subscriptions are delivered to. Go before `bus.subscriptionDefaults`. None by default. */
  readonly defaults?: SubscriptionDefaults | undefined;
}

/** Where subscribers are: the path or URL of a folder, a folder with defaults, or modules. */
export type SubscribersSource = string | URL | SubscribersFolder | SubscriberModules;

/**
 * An application's configuration: what `busbar.config.ts` exports by default. `Events` and `Received`
 * are what is emitted and what subscribers get, as its catalogue of events says, and `Tx` is the transaction of its
 * inbox.
 */
export interface BusbarConfig<
  Events extends object = object,
  Received extends object = Events,
  Tx = unknown,
> {
  /**
   * Prefixes everything that the provider names, so that several applications can share a Redis.
   * Letters, digits, `.`, `_` and `-`.
   *
   * @default "busbar"
   */
  readonly name?: string | undefined;
  /**
   * The event module: at most one that is not disabled. Without any, the application uses
   * `@busbar/local`, which keeps events in memory, and logs that it does.
   */
  readonly modules?: readonly ModuleEntry[] | ModulesByKey | undefined;
  /**
   * Folders of subscriber files, or modules that are imported already. See `SubscriberConfig`. None by default.
   * Files and folders whose names begin with `_` or `.`, tests and declarations are ignored.
   *
   * Paths are relative to the configuration file. In a configuration that is a value, a path is looked for in
   * the directory of the file that calls `createApp`, then in those above it up to its package, then in the
   * working directory. The URL `new URL("./subscribers", import.meta.url)` needs no search.
   */
  readonly subscribers?: SubscribersSource | readonly SubscribersSource[] | undefined;
  /**
   * Plugins of the bus, such as the outbox. They start in this order, and stop in the reverse one. None by default.
   */
  readonly plugins?: readonly Plugin[] | undefined;
  /**
   * Where it is recorded which events a subscription has handled, such as `pgStore({ pool })` of
   * `@busbar/outbox`: each handler runs in a transaction of that database, which it finds in
   * `tx`, and handles an event once. None by default.
   */
  readonly inbox?: InboxStore<Tx> | undefined;
  /** Wraps every run of every delivery, the first one outermost. */
  readonly middleware?: readonly Middleware[] | undefined;
  /** Recurring emits, by id, as the option `schedules` of `createEventBus`. None by default. */
  readonly schedules?: Readonly<Record<string, Schedule<NoInfer<Events>>>> | undefined;
  /** Options of the bus that do not concern its provider, such as defaults of every emit. */
  readonly bus?: BusOptions | undefined;
  /** Types and validates events; made by `defineEvents`. */
  readonly events?: EventCatalogue<Events, Received> | undefined;
  /** What this process does. @default the environment's `BUSBAR_ROLE`, else "shared" */
  readonly role?: Role | undefined;
  /**
   * Registered as `logger`, and used by the bus. `false`: nothing is logged.
   *
   * @default the console, for warnings and errors, one line each
   */
  readonly logger?: Logger | false | undefined;
  /**
   * The application's own services, by the names under which handlers resolve them. They are
   * disposed after the bus has drained.
   *
   * @example
   * ```ts
   * services: {
   *   payments: asFunction(({ logger }) => new Payments(logger))
   *     .singleton()
   *     .disposer((payments) => payments.close()),
   * }
   * ```
   */
  readonly services?: Readonly<Record<string, ServiceResolver>> | undefined;
  /**
   * The only directory that packages and relative paths are resolved from. Relative to the directory of
   * the configuration file, or to the working directory when the configuration has no file. By default the
   * directory of the file; without a file, the directories that `subscribers` says.
   */
  readonly root?: string | undefined;
}
