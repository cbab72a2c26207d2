import { createEventBus, type EventBus } from "../event-bus.ts";
import type { Role } from "../contract/bus-options.ts";
import { type AppContainer, createAppContainer, registerValue } from "./container.ts";
import { Modules } from "../contract/container.ts";
import type { Logger } from "../contract/logger.ts";
import type { InboxStore } from "../contract/plugin.ts";
import type { HandlerContext } from "../contract/subscriber.ts";
import type { EventProvider } from "../contract/provider.ts";
import { loggerFor } from "../errors/safe-logger.ts";
import {
  type App,
  type AppCradle,
  type AppOverrides,
  createAppLifecycle,
  type ReloadedSubscribers,
} from "./app.ts";
import { checkConfig } from "./check-config.ts";
import { configError } from "./config-error.ts";
import type { BusbarConfig } from "./config.ts";
import { readConfigFile } from "./load-config.ts";
import { loadModule } from "./load-module.ts";
import { loadSubscribers, refusalError, subscribeAll } from "./load-subscribers.ts";
import {
  anything,
  assertOptions,
  checkBoolean,
  checkFunction,
  type Checks,
  checkText,
} from "../values/arguments.ts";
import { inProduction, type Places, placesOf } from "./places.ts";
import { resolveRole } from "./role.ts";
import { replaceSubscribers } from "./reload-subscribers.ts";
import { defaultModule, selectModule } from "./select-module.ts";
import { createSourceLoader } from "./source-loader.ts";

const OVERRIDES: Checks<AppOverrides> = {
  role: anything,
  logger: anything,
  root: checkText,
  signals: checkBoolean,
  wrapProvider: checkFunction,
};

/**
 * What `createApp` loads once it is called.
 *
 * @param caller - The file that calls it, if it is known.
 */
export async function createApplication<
  Events extends object = never,
  Received extends object = Events,
  Tx = unknown,
>(
  config?: BusbarConfig<Events, Received, Tx> | string,
  overrides: AppOverrides = {},
  caller?: string,
): Promise<App<Events, Received, HandlerContext<Tx>>> {
  assertOptions("createApp()", overrides, OVERRIDES);
  const source = await readConfig(config as BusbarConfig | string, overrides.root, caller);
  const { places, file } = source;
  const role = resolveRole(overrides.role ?? source.config.role);
  const logger = loggerFor(overrides.logger ?? source.config.logger);
  const name = source.config.name ?? "busbar";
  const entry = selectModule(source.config.modules, file);
  const { inbox = entry?.inbox } = source.config;
  if (entry?.inbox !== undefined && entry.inbox !== inbox) {
    const reason = "is given to the module as well: remove it there";
    throw configError({ file, issues: [{ path: "inbox", reason }] });
  }
  const loader = createSourceLoader(places.directories);
  const module = await loadModule(entry, { places, file, loader });
  const sources = [source.config.subscribers ?? []].flat();
  const files = { places, loader, logger };
  let loaded = await loadSubscribers(sources, files);
  // Last, because a provider may hold something open from here on.
  const own = await module.createProvider({ logger, name });
  let subscribed = loaded;

  async function reload(): Promise<ReloadedSubscribers> {
    loaded = await loadSubscribers(sources, { ...files, loaded });
    const replaced = replaceSubscribers(app.bus, subscribed, loaded);
    subscribed = replaced.subscribed;
    if (replaced.refused.length > 0) throw refusalError(replaced.refused);
    return replaced.changes;
  }
  let reloaded: Promise<unknown> = Promise.resolve();

  let app: App;
  try {
    if (entry === undefined) reportDefaultModule(logger);
    app = assemble({
      ...source,
      provider: overrides.wrapProvider?.(own) ?? own,
      inbox,
      role,
      logger,
      signals: overrides.signals ?? true,
      // One after the other: each looks for what has changed since the one before.
      reloadSubscribers: () => {
        const result = reloaded.then(reload, reload);
        reloaded = result;
        return result;
      },
    });
  } catch (error) {
    // No application has it that would stop it.
    await giveUp(() => own.stop({ graceMs: 0 }));
    throw error;
  }
  const refused = subscribeAll(app.bus, loaded);
  if (refused.length > 0) {
    await giveUp(() => app.stop({ graceMs: 0 }));
    throw refusalError(refused);
  }
  // One bus is behind both types.
  return app as unknown as App<Events, Received, HandlerContext<Tx>>;
}

interface ConfigSource {
  readonly config: BusbarConfig;
  readonly places: Places;
  readonly file?: string | undefined;
}

async function readConfig(
  given: BusbarConfig | string | undefined,
  root: string | undefined,
  caller: string | undefined,
): Promise<ConfigSource> {
  if (given === undefined || typeof given === "string") {
    const loaded = await readConfigFile({ root, file: given }, caller);
    const places =
      loaded.config.root === undefined
        ? { ...placesOf(caller), directories: [loaded.root] }
        : placesOf(caller, loaded.root);
    return { ...loaded, places };
  }
  const config = checkConfig(given);
  return { config, places: placesOf(caller, root ?? config.root) };
}

interface Assembly extends ConfigSource {
  readonly provider: EventProvider;
  readonly inbox: InboxStore | undefined;
  readonly role: Role;
  readonly logger: Logger;
  readonly signals: boolean;
  readonly reloadSubscribers: () => Promise<ReloadedSubscribers>;
}

function assemble(parts: Assembly): App {
  const { config, role, logger, signals, reloadSubscribers } = parts;
  // The bus and its container know each other.
  const container: AppContainer<AppCradle> = createAppContainer<AppCradle>(config.services ?? {});
  registerValue(container, "logger", logger);
  const bus = createBus(parts, container);
  registerValue(container, Modules.EVENT_BUS, bus);
  return createAppLifecycle({ bus, container, config, role, logger, signals, reloadSubscribers });
}

function createBus(parts: Assembly, container: AppContainer<AppCradle>): EventBus {
  const { config, provider, inbox, role, logger } = parts;
  const { name, events, plugins, middleware, schedules } = config;
  try {
    return createEventBus({
      ...config.bus,
      provider,
      name,
      role,
      logger,
      container,
      events,
      plugins,
      inbox,
      middleware,
      schedules,
    });
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw configError({ file: parts.file, issues: [{ path: "", reason: cause.message }], cause });
  }
}

function reportDefaultModule(logger: Logger): void {
  const message = `No event module is configured: events are kept in memory by ${defaultModule}`;
  if (inProduction())
    logger.warn({ module: defaultModule }, `${message}, and lost with the process`);
  else logger.info({ module: defaultModule }, message);
}

/** Awaits a stop. The reason for giving up says more than the failure of that stop. */
async function giveUp(stop: () => Promise<void>): Promise<void> {
  try {
    await stop();
  } catch {}
}
