import type { App, AppOverrides } from "./app/app.ts";
import type { BusbarConfig } from "./app/config.ts";
import type { HandlerContext } from "./contract/subscriber.ts";
import type { LoadConfigOptions, LoadedConfig } from "./app/load-config.ts";
import { callSiteOf } from "./values/call-site.ts";

/**
 * Types a configuration.
 *
 * @example
 * ```ts
 * export default defineConfig({
 *   name: "shop",
 *   modules: [{ resolve: "@busbar/local", options: { maxPending: 10_000 } }],
 *   subscribers: "./src/subscribers",
 * });
 * ```
 */
export function defineConfig<
  Events extends object = never,
  Received extends object = Events,
  Tx = unknown,
>(config: BusbarConfig<Events, Received, Tx>): BusbarConfig<Events, Received, Tx> {
  return config;
}

/**
 * Makes an application: loads its configuration, its event module and its subscribers, and registers
 * bus, logger and services in a container. Nothing is connected and nothing consumed before `start`.
 *
 * @param config - The configuration, or the path of its file. Without it `busbar.config` is looked
 *   for in the directory of the file that calls `createApp`, then in those above it up to its package, then
 *   in the working directory. If the caller is JavaScript, JavaScript goes before TypeScript of the same
 *   name, so that a compiled application runs what was compiled.
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when anything in it is wrong: the message names module
 *   or file, and every reason.
 *
 * @example
 * ```ts
 * const app = await createApp();
 * await app.start();
 * await app.bus.emit("order.placed", { orderId: "42" });
 * ```
 */
export async function createApp<
  Events extends object = never,
  Received extends object = Events,
  Tx = unknown,
>(
  config?: BusbarConfig<Events, Received, Tx> | string,
  overrides: AppOverrides = {},
): Promise<App<Events, Received, HandlerContext<Tx>>> {
  const caller = callSiteOf(createApp)?.file;
  // Who makes a bus does not load what reads configurations and subscriber files.
  const { createApplication } = await import("./app/create-application.ts");
  return createApplication(config, overrides, caller);
}

/**
 * Loads a configuration file: `busbar.config` with the extension `ts`, `mts`, `cts`, `js`, `mjs` or `cjs`,
 * in this order. In production, and if the caller is JavaScript, JavaScript goes before TypeScript.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when there is none, or when it is wrong or cannot be
 *   loaded; `details.file` names it.
 *
 * @example
 * ```ts
 * const { config, file } = await loadConfig();
 * ```
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const caller = callSiteOf(loadConfig)?.file;
  const { readConfigFile } = await import("./app/load-config.ts");
  return readConfigFile(options, caller);
}
