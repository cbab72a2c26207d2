import { defineEventModule, type EventModule } from "@busbar/core/provider";
import { localProvider, type LocalProviderOptions } from "./local-provider.ts";
import { optionsSchema } from "./options-schema.ts";

/** What `{ resolve: "@busbar/local" }` in a configuration stands for. */
export const localModule: EventModule<LocalProviderOptions> = defineEventModule({
  name: "@busbar/local",
  options: optionsSchema,
  provider: (options) => localProvider(options),
});
