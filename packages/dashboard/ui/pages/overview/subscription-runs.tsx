import type { VNode } from "preact";
import type { Overview, SubscriptionView } from "../../../src/contract/api.ts";
import { Button } from "../../components/button.tsx";
import { Empty, Panel } from "../../components/page.tsx";
import { SubscriptionCharts } from "../../components/subscription-charts.tsx";
import { SubscriptionState } from "../../components/subscription-state.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { formatDuration, formatRate, formatShort } from "../../format.ts";
import { href, useQuery } from "../../router.ts";

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

/** More are on the page of subscriptions: the numbers are renewed each 2 s. */
const mostRows = 100;

/** The numbers of each subscription, and the charts of the subscription that the user has chosen. */
export function SubscriptionRuns({ overview }: { readonly overview: Overview }): VNode {
  const [charted, setCharted] = useQuery("charts");
  const chosen = overview.subscriptions.find(({ subscriberId }) => subscriberId === charted);
  const actions: Column<SubscriptionView> = {
    title: "Charts",
    kind: "actions",
    cell: ({ subscriberId }) => (
      <Button
        small
        pressed={subscriberId === charted}
        label={`Charts of ${subscriberId}`}
        onClick={() => setCharted(subscriberId === charted ? "" : subscriberId)}
      >
        Charts
      </Button>
    ),
  };
  return (
    <>
      <Panel
        title="Subscriptions"
        actions={<span class="muted small">Run times and rates are of the last 5 minutes</span>}
        flush
      >
        <Table
          caption="Subscriptions"
          columns={[...columns, actions]}
          rows={overview.subscriptions.slice(0, mostRows)}
          rowKey={({ subscriberId }) => subscriberId}
          empty={
            <Empty title="No subscriptions yet">
              A subscription appears here when a process starts that subscribes to events.
            </Empty>
          }
        />
        {overview.subscriptions.length > mostRows && (
          <p class="more">
            The first {mostRows} subscriptions are shown.
            <a href={href("/subscriptions")}>Show all {overview.subscriptions.length}</a>
          </p>
        )}
      </Panel>
      {chosen !== undefined && (
        <section class="stack" aria-label={`Charts of ${chosen.subscriberId}`}>
          <h2>{chosen.subscriberId}</h2>
          <SubscriptionCharts key={chosen.subscriberId} subscription={chosen} at={overview.at} />
        </section>
      )}
    </>
  );
}

function duration(ms: number | null | undefined): string {
  return typeof ms === "number" ? formatDuration(ms) : "–";
}
