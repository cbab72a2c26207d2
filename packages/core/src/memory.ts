export type { DeliveryChannel } from "./memory/delivery-channel.ts";
export {
  MemoryGroupStaging,
  type MemoryGroupStagingOptions,
} from "./groups/memory-group-staging.ts";
export {
  createMemoryProvider,
  type MemoryProvider,
  type MemoryProviderOptions,
} from "./memory/memory-provider.ts";
