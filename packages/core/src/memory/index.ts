export type { DeliveryChannel } from "./delivery-channel.ts";
export { MemoryGroupStaging } from "./memory-group-staging.ts";
export type { MemoryGroupStagingOptions } from "./memory-group-staging.ts";
export { createMemoryProvider } from "./memory-provider.ts";
export type { MemoryProvider, MemoryProviderOptions } from "./memory-provider.ts";
