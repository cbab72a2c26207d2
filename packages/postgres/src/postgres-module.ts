import { defineEventModule, type EventModule } from "@busbar/core/provider";
import { optionsSchema, type PostgresProviderOptions } from "./options.ts";
import { postgresProvider } from "./postgres-provider.ts";

/** What `{ resolve: "@busbar/postgres", options }` in a configuration stands for. */
export const postgresModule: EventModule<PostgresProviderOptions> = defineEventModule({
  name: "@busbar/postgres",
  options: optionsSchema,
  provider: (options) => postgresProvider(options),
});
