import { defineEventModule, type EventModule } from "@busbar/core/provider";
import type { RedisProviderOptions } from "./options.ts";
import { optionsSchema } from "./options.ts";
import { redisProvider } from "./redis-provider.ts";

/** What `{ resolve: "@busbar/redis", options }` in a configuration stands for. */
export const redisModule: EventModule<RedisProviderOptions> = defineEventModule({
  name: "@busbar/redis",
  options: optionsSchema,
  provider: (options) => redisProvider(options),
});
