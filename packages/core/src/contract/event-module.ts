import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Logger } from "./logger.ts";
import type { EventProvider } from "./provider.ts";

/** What a module's provider function may use of the application. */
export interface ModuleDependencies {
  /** The application's logger. */
  readonly logger: Logger;
  /** The application's name. */
  readonly name: string;
}

/** What a provider package exports by default, for the `modules` of a configuration. */
export interface EventModule<Options = unknown> {
  /** For error messages: the package's name. */
  readonly name: string;
  /** Validates the module's options at start; the provider function gets its output. */
  readonly options?: StandardSchemaV1<unknown, Options> | undefined;
  /** Makes the provider. Called once, when the application is created. */
  provider(
    options: Options,
    dependencies: ModuleDependencies,
  ): EventProvider | Promise<EventProvider>;
}

/**
 * Types an event module.
 *
 * @example
 * ```ts
 * export default defineEventModule({
 *   name: "@acme/busbar-nats",
 *   options: optionsSchema,
 *   provider: (options) => natsProvider(options),
 * });
 * ```
 */
export function defineEventModule<Options = undefined>(
  module: EventModule<Options>,
): EventModule<Options> {
  return module;
}
