import {
  type App,
  type BusbarConfig,
  createApp,
  type EventBus,
  isBusbarError,
  loadConfig,
  type Logger,
} from "@busbar/core";
import { definePlugin, type Plugin, type PluginContext } from "@busbar/core/plugin";
import type { ProviderCapabilities } from "@busbar/core/provider";
import type { Cli } from "../cli.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import type { OutboxFeature, WebhooksFeature } from "./features.ts";
import { findConfig } from "./find-config.ts";
import { isDone, waitFor } from "../wait-for.ts";
import { logTo } from "./log-to.ts";

/** The user's application, started in the role `tool`. */
export interface Project {
  /** The bus. */
  readonly bus: EventBus;
  /** The configuration. */
  readonly config: BusbarConfig;
  /** The absolute path of the folder of the configuration. */
  readonly root: string;
  /** The name of the bus. */
  readonly name: string;
  /** What the provider can do. */
  readonly capabilities: ProviderCapabilities;
  /**
   * The outbox of the configuration.
   *
   * @throws CommandFailure when there is none.
   */
  readonly outbox: () => OutboxFeature;
  /**
   * The webhooks of the configuration.
   *
   * @throws CommandFailure when there are none.
   */
  readonly webhooks: () => WebhooksFeature;
}

/** What a command needs of the project. */
export interface ProjectOptions {
  /**
   * Whether events must live outside of the process. A provider in memory has nothing that another process could see.
   *
   * @default true
   */
  readonly shared?: boolean | undefined;
  /** Where the bus logs. By default, warnings and errors go to the error output. */
  readonly logger?: Logger | undefined;
  /** More plugins for the bus. None by default. */
  readonly plugins?: readonly Plugin[] | undefined;
}

/** A configuration, and where it comes from. */
export interface ProjectConfig {
  /** The configuration. */
  readonly config: BusbarConfig;
  /** The absolute path of its file. */
  readonly file: string;
  /** The absolute path that packages and relative paths are resolved from. */
  readonly root: string;
}

/** Loads the configuration of the project, and connects to nothing. */
export async function readProject(cli: Cli): Promise<ProjectConfig> {
  return unlessEnded(loadConfig({ file: findConfig(cli) }), cli);
}

/** A configuration may take for ever to load. */
async function unlessEnded<T>(work: Promise<T>, { io }: Cli): Promise<T> {
  if (await isDone(work, io.signal)) return work;
  throw new CommandFailure(
    ExitCode.failed,
    "The command was ended before the application was loaded",
  );
}

/**
 * Starts the user's application in the role `tool`, does some work with it, and stops it.
 *
 * @throws CommandFailure `unavailable` when the provider keeps events in memory, and `shared` is not `false`.
 */
export async function withProject<T>(
  cli: Cli,
  work: (project: Project) => Promise<T>,
  { shared = true, plugins = [], logger = logTo(cli) }: ProjectOptions = {},
): Promise<T> {
  const { config, root } = await readProject(cli);
  const own = config.plugins ?? [];
  let context: PluginContext | undefined;
  const keeper = definePlugin({ name: "busbar-cli", start: (given) => void (context = given) });
  const making = createApp(
    { ...config, plugins: [keeper, ...own, ...plugins] },
    { role: "tool", root, signals: false, logger },
  );
  const app = await unlessEnded(making, cli);
  try {
    await startApp(app, cli);
    const { capabilities } = context!;
    if (shared && !capabilities.durable) throw inMemory((await app.bus.health()).provider);
    return await work({
      bus: app.bus,
      config,
      root,
      name: config.name ?? "busbar",
      capabilities,
      outbox: () => outboxOf(own),
      webhooks: () => pluginOf<WebhooksFeature>(own, "webhooks", "webhooks()", "@busbar/webhooks"),
    });
  } finally {
    await app.stop({ graceMs: 1_000 });
  }
}

/** A provider waits for its server for ever, which is right for an application, and not for a command. */
async function startApp(app: App, { io, options }: Cli): Promise<void> {
  const { connectTimeout = CONNECT_WITHIN_MS } = options;
  const started = new AbortController();
  const late = waitFor(connectTimeout, AbortSignal.any([io.signal, started.signal])).then(
    (isLate) => {
      if (started.signal.aborted) return;
      if (!isLate) {
        throw new CommandFailure(
          ExitCode.failed,
          "The command was ended before the bus had started",
        );
      }
      throw new CommandFailure(
        ExitCode.unavailable,
        `The bus did not start within ${connectTimeout} ms`,
        "Look whether the servers of its provider and plugins run, and whether their addresses are right.",
      );
    },
  );
  try {
    await Promise.race([app.start(), late]);
  } catch (error) {
    if (!isBusbarError(error)) throw error;
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
    throw Object.assign(error, { message: `${error.message}${cause}` });
  } finally {
    started.abort();
  }
}

const CONNECT_WITHIN_MS = 10_000;

function inMemory(provider: string): CommandFailure {
  return new CommandFailure(
    ExitCode.unavailable,
    `Provider "${provider}" keeps events in the memory of your application, where this command cannot see them`,
    "Use the bus in the application itself, add the dashboard to it, or choose a durable provider such as @busbar/redis, @busbar/postgres or @busbar/nats.",
  );
}

/**
 * Finds the outbox among plugins.
 *
 * @throws CommandFailure when there is none.
 */
export function outboxOf(plugins: readonly Plugin[]): OutboxFeature {
  return pluginOf<OutboxFeature>(plugins, "outbox", "outbox()", "@busbar/outbox");
}

function pluginOf<Feature>(
  plugins: readonly Plugin[],
  name: string,
  factory: string,
  module: string,
): Feature {
  const plugin = plugins.find((it) => it.name === name);
  if (plugin !== undefined) return plugin as unknown as Feature;
  throw new CommandFailure(
    ExitCode.unavailable,
    `The configuration has no plugin "${name}"`,
    `Add ${factory} of ${module} to \`plugins\` in the configuration.`,
  );
}
