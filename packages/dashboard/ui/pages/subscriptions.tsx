import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import type { SubscriptionList, SubscriptionView } from "../../src/contract/api.ts";
import { useApi } from "../api.ts";
import { SelectField, TextField } from "../components/field.tsx";
import { Names } from "../components/names.tsx";
import { Empty, Page, Panel } from "../components/page.tsx";
import { SubscriptionState } from "../components/subscription-state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { formatCount, formatShort, plural } from "../format.ts";
import { href, restOf, usePlace, useQuery } from "../router.ts";
import { SubscriptionDetails } from "./subscriptions/subscription-details.tsx";

const renewMs = 5_000;

/** The subscriptions with their events and backlogs, and the actions on them. */
export function Content(): VNode {
  const { path } = usePlace();
  const id = restOf(path, "/subscriptions");
  const list = useApi<SubscriptionList>("api/subscriptions", { everyMs: renewMs });
  if (id === "") return <All list={list.data} error={list.error} />;
  return (
    <SubscriptionDetails
      key={id}
      id={id}
      list={list.data}
      error={list.error}
      onChanged={list.reload}
    />
  );
}

const states: Readonly<Record<string, (subscription: SubscriptionView) => boolean>> = {
  paused: ({ paused, pausedEverywhere }) => paused || pausedEverywhere,
  orphaned: ({ orphaned }) => orphaned,
  idle: ({ instances }) => instances === 0,
  backlog: (subscription) => backlogOf(subscription) > 0,
  dead: ({ dead }) => dead > 0,
};

function All(props: {
  readonly list: SubscriptionList | undefined;
  readonly error: ReturnType<typeof useApi>["error"];
}): VNode {
  const { list, error } = props;
  const [text, setText] = useQuery("text");
  const [state, setState] = useQuery("state");
  const found = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return list?.subscriptions.filter(
      (subscription) =>
        (states[state]?.(subscription) ?? true) &&
        [subscription.subscriberId, ...subscription.events].some((word) =>
          word.toLowerCase().includes(wanted),
        ),
    );
  }, [list, text, state]);
  return (
    <Page
      title="Subscriptions"
      lead="The events and the backlog of each subscription. Open a subscription to pause, drain or retire it."
    >
      <Panel
        title="All subscriptions"
        actions={found && <span class="muted small">{plural(found.length, "subscription")}</span>}
        flush
      >
        <div class="panel-body">
          <div class="filters">
            <TextField
              label="Id or event"
              type="search"
              value={text}
              onChange={setText}
              placeholder="order"
            />
            <SelectField
              label="State"
              value={state}
              onChange={setState}
              choices={[
                { value: "", label: "Any" },
                { value: "paused", label: "Paused" },
                { value: "orphaned", label: "Orphaned" },
                { value: "idle", label: "Without handlers" },
                { value: "backlog", label: "With a backlog" },
                { value: "dead", label: "With dead letters" },
              ]}
            />
          </div>
        </div>
        <Table
          caption="Subscriptions"
          columns={columns}
          rows={found}
          rowKey={({ subscriberId }) => subscriberId}
          error={error}
          empty={
            list?.subscriptions.length === 0 ? (
              <Empty title="No subscriptions yet">
                A subscription appears here when a process starts that subscribes to events.
              </Empty>
            ) : (
              <Empty title="No subscription fits the filter" />
            )
          }
        />
      </Panel>
    </Page>
  );
}

const columns: readonly Column<SubscriptionView>[] = [
  {
    title: "Subscription",
    kind: "head",
    cell: ({ subscriberId }) => (
      <a href={href(`/subscriptions/${encodeURIComponent(subscriberId)}`)}>{subscriberId}</a>
    ),
  },
  { title: "State", cell: (subscription) => <SubscriptionState of={subscription} /> },
  { title: "Events", cell: ({ events }) => <Names names={events} /> },
  { title: "Backlog", kind: "end", cell: (subscription) => formatShort(backlogOf(subscription)) },
  {
    title: "Oldest",
    kind: "end",
    cell: ({ oldestAt }) => (oldestAt === null ? "–" : <Time at={oldestAt} />),
  },
  {
    title: "Dead letters",
    kind: "end",
    cell: ({ dead, subscriberId }) =>
      dead === 0 ? "0" : <a href={href("/dead-letters", { subscriberId })}>{formatShort(dead)}</a>,
  },
  { title: "Processes", kind: "end", cell: ({ instances }) => formatCount(instances) },
];

function backlogOf({ ready, delayed, inFlight }: SubscriptionView): number {
  return ready + delayed + inFlight;
}
