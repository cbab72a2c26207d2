import type { VNode } from "preact";
import type { SubscriptionView } from "../../src/contract/api.ts";
import { Badge } from "./badge.tsx";

/** Says in badges whether a subscription gets events and delivers them. */
export function SubscriptionState(props: {
  readonly of: Pick<SubscriptionView, "orphaned" | "paused" | "pausedEverywhere" | "instances">;
}): VNode {
  const { orphaned, paused, pausedEverywhere, instances } = props.of;
  const isPaused = paused || pausedEverywhere;
  return (
    <span class="row">
      {orphaned && <Badge tone="bad">Orphaned</Badge>}
      {pausedEverywhere && <Badge tone="warn">Paused everywhere</Badge>}
      {paused && !pausedEverywhere && <Badge tone="warn">Paused here</Badge>}
      {!orphaned && instances === 0 && <Badge tone="warn">No handlers</Badge>}
      {!orphaned && !isPaused && instances > 0 && <Badge tone="good">Delivering</Badge>}
    </span>
  );
}
