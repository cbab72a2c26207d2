import type { VNode } from "preact";
import type { ScheduleView } from "../../../src/contract/api.ts";
import { Badge } from "../../components/badge.tsx";

/** Says in a badge whether a schedule emits, and why its last emit failed. */
export function ScheduleState({ of }: { readonly of: ScheduleView }): VNode {
  const { paused, nextDueAt, lastError } = of;
  if (paused) return <Badge tone="warn">Paused</Badge>;
  if (lastError !== null) {
    return (
      <>
        <Badge tone="bad">Failing</Badge>
        <span class="cut small" title={lastError.message}>
          {lastError.message}
        </span>
      </>
    );
  }
  return nextDueAt === null ? <Badge>Ended</Badge> : <Badge tone="good">Active</Badge>;
}
