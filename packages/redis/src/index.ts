export { redisProvider } from "./redis-provider.ts";
export type { BatchOptions, RedisProviderOptions } from "./options.ts";
// A configuration that names this package gets its default export.
// oxlint-disable-next-line import/no-default-export
export { redisModule as default } from "./redis-module.ts";
