import type { VNode } from "preact";
import type { Overview, SubscriptionView } from "../../../src/contract/api.ts";
import { Empty, Panel } from "../../components/page.tsx";
import { SubscriptionState } from "../../components/subscription-state.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { formatDuration, formatRate, formatShort } from "../../format.ts";
import { href } from "../../router.ts";

const columns: readonly Column<SubscriptionView>[] = [
  {
    title: "Subscription",
    kind: "head",
    cell: ({ subscriberId }) => (
      <a href={href(`/subscriptions/${encodeURIComponent(subscriberId)}`)}>{subscriberId}</a>
    ),
  },
  { title: "State", cell: (subscription) => <SubscriptionState of={subscription} /> },
  {
    title: "Backlog",
    kind: "end",
    cell: (row) => formatShort(row.ready + row.delayed + row.inFlight),
  },
  {
    title: "Oldest",
    kind: "end",
    cell: ({ oldestAt }) => (oldestAt === null ? "–" : <Time at={oldestAt} />),
  },
  {
    title: "Delivered",
    kind: "end",
    cell: ({ runs }) => (runs === null ? "–" : `${formatRate(runs.perSecond.delivered)}/s`),
  },
  {
    title: "Failed",
    kind: "end",
    cell: ({ runs }) => (runs === null ? "–" : `${formatRate(runs.perSecond.failed)}/s`),
  },
  { title: "p50", kind: "end", cell: ({ runs }) => duration(runs?.p50Ms) },
  { title: "p95", kind: "end", cell: ({ runs }) => duration(runs?.p95Ms) },
  { title: "p99", kind: "end", cell: ({ runs }) => duration(runs?.p99Ms) },
  {
    title: "Dead letters",
    kind: "end",
    cell: ({ dead, subscriberId }) =>
      dead === 0 ? "0" : <a href={href("/dead-letters", { subscriberId })}>{formatShort(dead)}</a>,
  },
];

/** The numbers of each subscription. */
export function SubscriptionRuns({ overview }: { readonly overview: Overview }): VNode {
  return (
    <Panel
      title="Subscriptions"
      actions={<span class="muted small">Run times and rates are of the last 5 minutes</span>}
      flush
    >
      <Table
        caption="Subscriptions"
        columns={columns}
        rows={overview.subscriptions}
        rowKey={({ subscriberId }) => subscriberId}
        empty={
          <Empty title="No subscriptions yet">
            A subscription appears here when a process starts that subscribes to events.
          </Empty>
        }
      />
    </Panel>
  );
}

function duration(ms: number | null | undefined): string {
  return typeof ms === "number" ? formatDuration(ms) : "–";
}
