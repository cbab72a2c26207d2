import type { EventBus, StopOptions } from "../event-bus.ts";
import type { Role } from "../contract/bus-options.ts";
import type { AppContainer } from "./container.ts";
import type { Modules } from "../contract/container.ts";
import type { Logger } from "../contract/logger.ts";
import type { EventProvider } from "../contract/provider.ts";
import type { DeliveryContext } from "../contract/subscriber.ts";
import { safeLogger } from "../errors/safe-logger.ts";
import type { BusbarConfig } from "./config.ts";
import { handleSignals } from "./signals.ts";
import { safeError } from "../errors/safe-error.ts";

/** What goes before the configuration. */
export interface AppOverrides {
  /** Goes before `role` of the configuration and `BUSBAR_ROLE`. */
  readonly role?: Role | undefined;
  /** Goes before `logger` of the configuration. `false`: nothing is logged. */
  readonly logger?: Logger | false | undefined;
  /**
   * The only directory where a configuration file is looked for. For a configuration that is a value, the
   * only directory that packages and relative paths are resolved from; it goes before `root` of the
   * configuration. By default the directory of the file that calls `createApp`, then those above it up to
   * its package, then the working directory.
   */
  readonly root?: string | undefined;
  /**
   * Whether `start` listens to SIGTERM and SIGINT, to drain and stop the application and then let
   * the signal end the process. In a process that listens to the signal itself, the application only
   * drains and stops. With `false`, call `stop` yourself.
   *
   * @default true
   */
  readonly signals?: boolean | undefined;
  /**
   * Called once with the provider that the event module has made. Returns the provider that the bus uses: the same
   * one, or one around it that fails or repeats deliveries on purpose, such as `flakyProvider` of
   * `@busbar/testing`. By default the bus uses the provider as it is.
   *
   * @example
   * ```ts
   * const app = await createApp(undefined, {
   *   wrapProvider: (provider) => flakyProvider(provider, { failEvery: 3 }),
   * });
   * ```
   */
  readonly wrapProvider?: ((provider: EventProvider) => EventProvider) | undefined;
}

/** What `reloadSubscribers` has changed: ids of subscriptions, in the order of their files. */
export interface ReloadedSubscribers {
  /** Subscriptions of new files. */
  readonly added: readonly string[];
  /** Subscriptions whose files have changed. */
  readonly changed: readonly string[];
  /** Subscriptions whose files are gone. They end in this process, as with `bus.unsubscribe`. */
  readonly removed: readonly string[];
}

/** What every application's container holds, beside the services of its configuration. */
export interface AppCradle {
  readonly [Modules.EVENT_BUS]: EventBus;
  /** The logger of the application. By default it writes warnings and errors to the console. */
  readonly logger: Logger;
}

/** An application: a bus with its provider, its container and its subscribers. */
export interface App<
  Events extends object = never,
  Received extends object = Events,
  Context extends DeliveryContext = DeliveryContext,
> extends AsyncDisposable {
  /** The bus of the application: typed by the `events` and the `inbox` of the configuration. */
  readonly bus: EventBus<Events, Received, Context>;
  /**
   * Holds the bus as `Modules.EVENT_BUS`, `logger`, and the services of the configuration. Its
   * `dispose` is this application's `stop`, so that services outlive the handlers that use them.
   */
  readonly container: AppContainer<AppCradle>;
  /** The configuration that is in force. */
  readonly config: BusbarConfig;
  /** The role that is in force. */
  readonly role: Role;

  /**
   * Connects, declares the subscriptions and begins to consume, as far as the role allows. Resolves
   * once that is done; every further call returns the same promise. Listens to SIGTERM and SIGINT.
   * When it rejects, what had been started is stopped, and the application cannot be started again.
   *
   * @throws BusbarError `BUSBAR_UNAVAILABLE` when the provider cannot be reached.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot do what role or subscribers ask.
   * @throws TypeError after `stop`: make another application.
   */
  start(): Promise<void>;

  /**
   * Takes no new deliveries, waits for those in flight, hands back the rest, closes the provider and
   * then disposes the services of the container. Resolves once that is done; every further call
   * returns the same promise. Safe before `start`, and after one that failed.
   */
  stop(options?: StopOptions): Promise<void>;

  /**
   * Looks into the folders of subscribers again, loads the files that are new or have changed, and replaces their
   * handlers without a restart. For development: each load stays in memory, and modules that a subscriber file
   * imports are not loaded again. Resolves once the bus has the new handlers. Runs in flight finish with the old
   * ones, and subscriptions keep their ids, their backlog and their pause.
   *
   * If the bus refuses a subscriber, the others are replaced, and the earlier handler of that subscriber stays with all
   * of its events. The next call tries the subscriber again.
   *
   * @throws BusbarError `BUSBAR_INVALID_CONFIG` when a file cannot be loaded, or is wrong: then nothing has changed.
   *   Also when the bus refuses a subscriber.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the bus refuses subscribers only because they ask what the provider
   *   cannot do.
   *
   * @example
   * ```ts
   * const { added, changed, removed } = await app.reloadSubscribers();
   * ```
   */
  reloadSubscribers(): Promise<ReloadedSubscribers>;
}

/** What {@link createAppLifecycle} is given. */
export interface AppParts {
  readonly bus: EventBus;
  readonly container: AppContainer<AppCradle>;
  readonly config: BusbarConfig;
  readonly role: Role;
  readonly logger: Logger;
  /** Whether `start` listens to SIGTERM and SIGINT. */
  readonly signals: boolean;
  readonly reloadSubscribers: () => Promise<ReloadedSubscribers>;
}

/** Joins bus and container to one application with one order of start and stop. */
export function createAppLifecycle(parts: AppParts): App {
  const { bus, container } = parts;
  const logger = safeLogger(parts.logger);
  // Awilix runs all disposers at the same time, so the order is kept here.
  const disposeServices = container.dispose.bind(container);
  container.dispose = () => stop();
  let started: Promise<void> | undefined;
  let failed = false;
  let stopped: Promise<void> | undefined;
  let ignoreSignals = (): void => {};

  function start(): Promise<void> {
    if (stopped !== undefined && !failed) {
      return Promise.reject(new TypeError("An application that was stopped cannot start again"));
    }
    return (started ??= startOnce());
  }

  async function startOnce(): Promise<void> {
    // Before anything is opened: a signal may come while the provider connects.
    if (parts.signals) ignoreSignals = handleSignals({ stop, logger });
    try {
      await bus.start();
    } catch (error) {
      failed = true;
      await stop().catch((cause: unknown) =>
        logger.error({ err: cause }, "The stop after a failed start has failed"),
      );
      throw error;
    }
  }

  function stop(options: StopOptions = {}): Promise<void> {
    return (stopped ??= stopOnce(options));
  }

  async function stopOnce(options: StopOptions): Promise<void> {
    const errors: unknown[] = [];
    for (const step of [() => bus.stop(options), disposeServices]) {
      try {
        await step();
      } catch (error) {
        errors.push(safeError(error));
      }
    }
    ignoreSignals();
    if (errors.length > 1) throw new AggregateError(errors, "The bus and a service failed to stop");
    if (errors.length > 0) throw errors[0];
  }

  return {
    bus,
    container,
    config: parts.config,
    role: parts.role,
    start,
    stop,
    reloadSubscribers: parts.reloadSubscribers,
    [Symbol.asyncDispose]: () => stop(),
  };
}
