import type { VNode } from "preact";
import { useCallback, useState } from "preact/hooks";
import { type ApiError, read, useApi } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { Empty, Page, Panel } from "../../components/page.tsx";
import { Pager, usePages } from "../../components/pager.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { formatDuration, plural } from "../../format.ts";
import { basePath, href, useQuery } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { useSettled } from "../../settled.ts";
import { LuceneBox, type ParameterFault } from "./lucene-box.tsx";
import { ReplayDialog } from "./replay-dialog.tsx";
import { AttemptBadge, DeliveryBadge } from "./states.tsx";
import { Tabs } from "./tabs.tsx";
import type { AttemptView, CatalogueView, DeliveryView } from "./views.ts";

const pageSize = 50;

/** The log of deliveries and of their attempts, with a search. */
export function LogPage(): VNode {
  const [shown, setShown] = useQuery("show");
  const readOnly = useReadOnly();
  const [isReplaying, setReplaying] = useState(false);
  const search = useSearch();
  const shared = { search, shown, setShown };
  return (
    <Page
      title="Delivery log"
      lead="What was delivered to systems outside the application, attempt by attempt."
      actions={
        <Button reason={readOnly} onClick={() => setReplaying(true)}>
          Replay what is found…
        </Button>
      }
    >
      <Tabs current="/webhooks/log" />
      {shown === "attempts" ? (
        <Results
          key="attempts"
          {...shared}
          resource="attempts"
          columns={attemptColumns}
          rowKey={({ id }: AttemptView) => id}
        />
      ) : (
        <Results
          key="deliveries"
          {...shared}
          resource="deliveries"
          columns={deliveryColumns}
          rowKey={({ id }: DeliveryView) => id}
        />
      )}
      {isReplaying && (
        <ReplayDialog search={search.parameters} onClose={() => setReplaying(false)} />
      )}
    </Page>
  );
}

interface Search {
  readonly query: string;
  readonly setQuery: (query: string) => void;
  readonly since: string;
  readonly setSince: (since: string) => void;
  readonly until: string;
  readonly setUntil: (until: string) => void;
  /** Parameters of requests: only those that are set. Times are there once the user has stopped typing. */
  readonly parameters: Readonly<Record<string, string>>;
}

function useSearch(): Search {
  const [query, setQuery] = useQuery("query");
  const [since, setSince] = useQuery("since");
  const [until, setUntil] = useQuery("until");
  const times = { since: useSettled(since.trim()), until: useSettled(until.trim()) };
  const parameters = Object.fromEntries(
    Object.entries({ query, ...times }).filter(([, value]) => value !== ""),
  );
  return { query, setQuery, since, setSince, until, setUntil, parameters };
}

function Results<Item>(props: {
  readonly search: Search;
  readonly shown: string;
  readonly setShown: (shown: string) => void;
  readonly resource: "deliveries" | "attempts";
  readonly columns: readonly Column<Item>[];
  readonly rowKey: (item: Item) => string;
}): VNode {
  const { search, shown, setShown, resource, columns, rowKey } = props;
  const { query, parameters } = search;
  const events = useApi<{ readonly items: readonly CatalogueView[] }>("api/webhooks/events");
  const text = new URLSearchParams(parameters).toString();
  const path = useCallback(
    (cursor: string | undefined) => {
      const all = new URLSearchParams(text);
      all.set("limit", String(pageSize));
      if (cursor !== undefined) all.set("cursor", cursor);
      return `api/webhooks/${resource}?${all}`;
    },
    [resource, text],
  );
  const list = usePages<Item>(path);
  const faults = faultsOf(list.error);
  const isWrong = faults.size > 0;
  return (
    <>
      <Panel>
        <LuceneBox
          query={query}
          onSearch={search.setQuery}
          fault={faults.get("query")}
          names={events.data?.items.map(({ name }) => name) ?? []}
        />
        <div class="filters">
          <SelectField
            label="Show"
            value={shown}
            onChange={setShown}
            choices={[
              { value: "", label: "Deliveries" },
              { value: "attempts", label: "Attempts" },
            ]}
          />
          <TextField
            label="Since"
            value={search.since}
            onChange={search.setSince}
            placeholder="2026-11-30"
            error={faults.get("since")?.detail}
          />
          <TextField
            label="Before"
            value={search.until}
            onChange={search.setUntil}
            placeholder="2026-12-01T08:00:00Z"
            error={faults.get("until")?.detail}
          />
        </div>
      </Panel>
      <Panel
        title={resource === "deliveries" ? "Deliveries" : "Attempts"}
        actions={
          <>
            {!isWrong && <Count key={text} parameters={text} />}
            <a href={exportOf(parameters, "csv")} download>
              CSV
            </a>
            <a href={exportOf(parameters, "ndjson")} download>
              NDJSON
            </a>
            <Button small disabled={list.isLoading} onClick={() => void list.reload()}>
              Reload
            </Button>
          </>
        }
        flush
      >
        <Table
          caption={resource === "deliveries" ? "Deliveries" : "Attempts"}
          columns={columns}
          rows={isWrong ? [] : list.items}
          rowKey={rowKey}
          error={isWrong ? undefined : list.error}
          empty={
            <Empty title={isWrong ? "The search cannot be read" : "Nothing found"}>
              {!isWrong && text === "" && "The log begins with the first delivery."}
            </Empty>
          }
        />
        <Pager list={list} noun={resource} />
      </Panel>
    </>
  );
}

/** What the server has against the parameters of a search, by their names. */
function faultsOf(error: ApiError | undefined): ReadonlyMap<string, ParameterFault> {
  const errors = (error?.problem["errors"] ?? []) as readonly ParameterFault[];
  return new Map(
    errors
      .filter(({ parameter }) => ["query", "since", "until"].includes(parameter))
      .map((fault) => [fault.parameter, fault]),
  );
}

/** Counts the attempts that the search finds when the user asks for it. In a long log, counting takes a while. */
function Count({ parameters }: { readonly parameters: string }): VNode {
  const [text, setText] = useState<string>();
  const count = async (): Promise<void> => {
    setText("Counting…");
    try {
      const found = await read<{ count: number }>(`api/webhooks/attempts/count?${parameters}`);
      setText(plural(found.count, "attempt"));
    } catch (error) {
      setText(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <span role="status">
      {text === undefined ? (
        <Button small onClick={() => void count()}>
          Count the attempts
        </Button>
      ) : (
        text
      )}
    </span>
  );
}

function exportOf(parameters: Readonly<Record<string, string>>, format: string): string {
  const query = new URLSearchParams({ ...parameters, format });
  return `${basePath}/api/webhooks/attempts/export?${query}`;
}

function traceOf(id: string): string {
  return href(`/webhooks/deliveries/${encodeURIComponent(id)}`);
}

function webhookOf(id: string): string {
  return href(`/webhooks/subscriptions/${encodeURIComponent(id)}`);
}

const deliveryColumns: readonly Column<DeliveryView>[] = [
  {
    title: "Event",
    kind: "head",
    cell: ({ id, eventName }) => <a href={traceOf(id)}>{eventName}</a>,
  },
  { title: "State", cell: (delivery) => <DeliveryBadge of={delivery} /> },
  {
    title: "Destination",
    cell: ({ destination, subscriptionId }) => (
      <a class="break" href={webhookOf(subscriptionId)}>
        {destination}
      </a>
    ),
  },
  { title: "Status", kind: "end", cell: ({ lastStatus }) => lastStatus ?? "–" },
  { title: "Attempts", kind: "end", cell: ({ attempts }) => attempts },
  { title: "Created", kind: "end", cell: ({ createdAt }) => <Time at={createdAt} /> },
  { title: "Delivery", cell: ({ id }) => <code>{id}</code> },
];

const attemptColumns: readonly Column<AttemptView>[] = [
  {
    title: "Event",
    kind: "head",
    cell: ({ deliveryId, eventName }) =>
      deliveryId === null ? eventName : <a href={traceOf(deliveryId)}>{eventName}</a>,
  },
  { title: "Result", cell: (attempt) => <AttemptBadge of={attempt} /> },
  { title: "Attempt", kind: "end", cell: ({ number }) => number },
  { title: "Trigger", cell: ({ trigger }) => trigger },
  {
    title: "Answer",
    cell: ({ error, response }) => <span class="cut">{error ?? response ?? "–"}</span>,
  },
  { title: "Took", kind: "end", cell: ({ durationMs }) => formatDuration(durationMs) },
  { title: "Began", kind: "end", cell: ({ startedAt }) => <Time at={startedAt} /> },
  { title: "Log id", kind: "end", cell: ({ id }) => id },
];
