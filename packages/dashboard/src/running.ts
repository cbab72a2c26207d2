import type { DescribedEvent, EventBus } from "@busbar/core";
import type { PluginContext } from "@busbar/core/plugin";
import type { OutboxFeature, RunStore, WebhooksFeature } from "./contract/features.ts";
import type { Sampler } from "./overview/sampler.ts";

/** What there is once the bus has started. */
export interface Running {
  readonly bus: EventBus;
  readonly context: PluginContext;
  readonly sampler: Sampler;
  readonly outbox: OutboxFeature | undefined;
  readonly webhooks: WebhooksFeature | undefined;
  readonly runs: RunStore | undefined;
  /** The events of the catalogue, by name. */
  readonly declared: () => ReadonlyMap<string, DescribedEvent>;
}
