import type { VNode } from "preact";
import { useCallback, useMemo } from "preact/hooks";
import { send, useApi } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { Names } from "../../components/names.tsx";
import { Empty, Page, Panel } from "../../components/page.tsx";
import { Pager, usePages } from "../../components/pager.tsx";
import { useSelection } from "../../components/selection.ts";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useToast } from "../../components/toast-context.ts";
import { plural } from "../../format.ts";
import { go, href, useQuery } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { useSettled } from "../../settled.ts";
import { EndpointBadge, WebhookState } from "./states.tsx";
import { Tabs } from "./tabs.tsx";
import type { CatalogueView, EndpointView, NotifierView, WebhookView } from "./views.ts";

const pageSize = 50;
const healthEveryMs = 10_000;

/** The grid of webhook subscriptions. */
export function SubscriptionsPage(): VNode {
  const readOnly = useReadOnly();
  const filter = useFilter();
  const path = useCallback(
    (cursor: string | undefined) => {
      const query = new URLSearchParams({ ...filter.query, limit: String(pageSize) });
      if (cursor !== undefined) query.set("cursor", cursor);
      return `api/webhooks/subscriptions?${query}`;
    },
    [JSON.stringify(filter.query)],
  );
  const list = usePages<WebhookView>(path);
  const selected = useSelection(list.items, idOf);
  const endpoints = useApi<{ readonly items: readonly EndpointView[] }>(
    "api/webhooks/endpoints/failing",
    { everyMs: healthEveryMs },
  );
  const columns = useMemo(() => columnsWith(endpoints.data?.items ?? []), [endpoints.data]);
  const changed = async (): Promise<void> => {
    selected.clear();
    await list.reload();
  };
  const isFiltered = Object.keys(filter.query).length > 0;
  return (
    <Page
      title="Webhooks"
      lead="Systems outside the application that get events. Open a subscription to test it, to change it, or to rotate its secret."
      actions={
        <Button kind="primary" reason={readOnly} onClick={() => go(href("/webhooks/new"))}>
          New subscription
        </Button>
      }
    >
      <Tabs current="/webhooks" />
      <Panel
        title="Webhook subscriptions"
        actions={<MassActions selected={selected.keys} onChanged={changed} />}
        flush
      >
        <div class="panel-body">{filter.form}</div>
        <Table
          caption="Webhook subscriptions"
          columns={columns}
          rows={list.items}
          rowKey={idOf}
          error={list.error}
          selection={{
            keys: selected.keys,
            onChange: selected.setKeys,
            label: ({ label, destination }) => `Select ${label ?? destination}`,
          }}
          empty={
            isFiltered ? (
              <Empty title="No subscription fits the filter" />
            ) : (
              <Empty title="No webhook subscriptions yet">
                Create one to deliver events to a system outside the application.
              </Empty>
            )
          }
        />
        <Pager list={list} noun="subscriptions" />
      </Panel>
    </Page>
  );
}

function idOf({ id }: WebhookView): string {
  return id;
}

function columnsWith(endpoints: readonly EndpointView[]): readonly Column<WebhookView>[] {
  const byId = new Map(endpoints.map((endpoint) => [endpoint.subscriptionId, endpoint]));
  return [
    {
      title: "Subscription",
      kind: "head",
      cell: ({ id, label, destination }) => (
        <>
          <a href={href(`/webhooks/subscriptions/${encodeURIComponent(id)}`)}>
            {label ?? destination}
          </a>
          {label !== null && <div class="muted small break">{destination}</div>}
        </>
      ),
    },
    { title: "State", cell: (webhook) => <WebhookState of={webhook} /> },
    { title: "Endpoint", cell: ({ id }) => <EndpointBadge of={byId.get(id)} /> },
    { title: "Events", cell: ({ events }) => <Names names={events} /> },
    { title: "Notifier", cell: ({ notifier }) => notifier },
    { title: "Scope", cell: ({ scope }) => scope ?? "All" },
    { title: "Changed", kind: "end", cell: ({ modifiedAt }) => <Time at={modifiedAt} /> },
  ];
}

interface GridFilter {
  /** Parameters of the list: only those that are set. */
  readonly query: Readonly<Record<string, string>>;
  readonly form: VNode;
}

function useFilter(): GridFilter {
  const [text, setText] = useQuery("text");
  const [event, setEvent] = useQuery("event");
  const [notifier, setNotifier] = useQuery("notifier");
  const [scope, setScope] = useQuery("scope");
  const [state, setState] = useQuery("state");
  const events = useApi<{ readonly items: readonly CatalogueView[] }>("api/webhooks/events");
  const notifiers = useApi<{ readonly items: readonly NotifierView[] }>("api/webhooks/notifiers");
  const typed = { text: useSettled(text), event: useSettled(event), scope: useSettled(scope) };
  const query = {
    ...Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== "")),
    ...(notifier !== "" && { notifier }),
    ...(state === "enabled" && { enabled: "true" }),
    ...(state === "disabled" && { enabled: "false" }),
    ...(state === "deleted" && { deleted: "true" }),
  };
  const form = (
    <div class="filters">
      <TextField
        label="Label or destination"
        type="search"
        value={text}
        onChange={setText}
        placeholder="example.com"
      />
      <TextField
        label="Wants the event"
        value={event}
        onChange={setEvent}
        placeholder="order.placed"
        suggestions={events.data?.items.map(({ name }) => name) ?? []}
      />
      <SelectField
        label="Notifier"
        value={notifier}
        onChange={setNotifier}
        choices={[
          { value: "", label: "Any" },
          ...(notifiers.data?.items ?? []).map(({ name, title }) => ({
            value: name,
            label: title,
          })),
        ]}
      />
      <TextField label="Scope" value={scope} onChange={setScope} />
      <SelectField
        label="State"
        value={state}
        onChange={setState}
        choices={[
          { value: "", label: "Enabled or disabled" },
          { value: "enabled", label: "Enabled" },
          { value: "disabled", label: "Disabled" },
          { value: "deleted", label: "Deleted" },
        ]}
      />
    </div>
  );
  return { query, form };
}

function MassActions(props: {
  readonly selected: ReadonlySet<string>;
  readonly onChanged: () => Promise<void>;
}): VNode {
  const { selected, onChanged } = props;
  const readOnly = useReadOnly();
  const confirm = useConfirm();
  const showToast = useToast();
  const count = plural(selected.size, "subscription");
  const change = (action: "enable" | "disable"): void => {
    const isEnable = action === "enable";
    confirm({
      title: `${isEnable ? "Enable" : "Disable"} ${count}?`,
      consequence: isEnable
        ? "Deliveries that wait for these subscriptions are attempted at once, and new events are delivered."
        : "Deliveries of these subscriptions wait until the subscriptions are enabled again. Nothing is lost.",
      action: isEnable ? "Enable" : "Disable",
      run: async () => {
        const { changed, unchanged } = await send<{ changed: number; unchanged: number }>(
          "POST",
          `api/webhooks/subscriptions/${action}`,
          { ids: [...selected] },
        );
        showToast(
          `${plural(changed, "subscription is", "subscriptions are")} now ${action}d; ${unchanged} already ${unchanged === 1 ? "was" : "were"}.`,
        );
        await onChanged();
      },
    });
  };
  const reason = readOnly ?? (selected.size === 0 ? "Select subscriptions first." : undefined);
  return (
    <>
      <span class="muted small" role="status">
        {selected.size > 0 && `${count} selected`}
      </span>
      <Button small reason={reason} onClick={() => change("enable")}>
        Enable…
      </Button>
      <Button small reason={reason} onClick={() => change("disable")}>
        Disable…
      </Button>
    </>
  );
}
