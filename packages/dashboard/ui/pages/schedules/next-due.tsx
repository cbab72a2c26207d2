import type { VNode } from "preact";
import type { ScheduleView } from "../../../src/contract/api.ts";
import { Time } from "../../components/time.tsx";
import { formatExact, formatInZone } from "../../format.ts";

/** The next due time of a schedule: in the time zone of the viewer, and in that of the schedule if it is another. */
export function NextDue({ of: { times, nextDueAt } }: { readonly of: ScheduleView }): VNode {
  if (nextDueAt === null) return <>–</>;
  const at = Date.parse(nextDueAt);
  const viewers = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const inZone =
    "cron" in times && times.timeZone !== viewers ? formatInZone(at, times.timeZone) : undefined;
  return (
    <>
      <Time at={at} />
      <div class="small muted">{formatInZone(at, viewers) ?? formatExact(at)}</div>
      {inZone !== undefined && <div class="small muted">{inZone}</div>}
    </>
  );
}
