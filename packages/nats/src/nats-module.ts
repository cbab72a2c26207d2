import { defineEventModule, type EventModule } from "@busbar/core/provider";
import { natsProvider } from "./nats-provider.ts";
import { type NatsProviderOptions, optionsSchema } from "./options.ts";

/** What `{ resolve: "@busbar/nats", options }` in a configuration stands for. */
export const natsModule: EventModule<NatsProviderOptions> = defineEventModule({
  name: "@busbar/nats",
  options: optionsSchema,
  provider: (options) => natsProvider(options),
});
