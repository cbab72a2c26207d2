export type { ScopingContainer } from "./contract/container.ts";
export type { InterceptorContext } from "./contract/interceptor.ts";
export type { DeliveryRun } from "./contract/middleware.ts";
export {
  definePlugin,
  type InboxStore,
  type Plugin,
  type PluginContext,
  type Sending,
  type SendNext,
  type StagingPlugin,
} from "./contract/plugin.ts";
