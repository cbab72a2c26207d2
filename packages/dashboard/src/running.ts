import type { EventBus } from "@busbar/core";
import type { PluginContext } from "@busbar/core/plugin";
import type { OutboxFeature, WebhooksFeature } from "./contract/features.ts";

/** What there is once the bus has started. */
export interface Running {
  readonly bus: EventBus;
  readonly context: PluginContext;
  readonly outbox: OutboxFeature | undefined;
  readonly webhooks: WebhooksFeature | undefined;
}
