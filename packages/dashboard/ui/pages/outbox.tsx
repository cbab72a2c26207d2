import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type {
  ActionResult,
  GroupList,
  GroupView,
  OutboxRow,
  OutboxView,
} from "../../src/contract/api.ts";
import { send, useApi } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Button } from "../components/button.tsx";
import { useConfirm } from "../components/confirm.tsx";
import { Dialog } from "../components/dialog.tsx";
import { Figure, Figures } from "../components/figures.tsx";
import { JsonView } from "../components/json-view.tsx";
import { Empty, Page, Panel, Problem } from "../components/page.tsx";
import { useSelection } from "../components/selection.ts";
import { type Column, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { useToast } from "../components/toast-context.ts";
import { formatCount, formatRate, formatShort, plural } from "../format.ts";
import { useReadOnly, useSession } from "../session.ts";

const renewMs = 3_000;

/** Events that are committed and not yet published, and groups that are neither released nor cleared. */
export function Content(): VNode {
  const { features } = useSession();
  return (
    <Page
      title={features.outbox ? "Outbox and groups" : "Groups"}
      lead={
        features.outbox
          ? "Events that wait in the database until they are published, and groups that wait for their release."
          : "Events that wait for the release of their group."
      }
    >
      {features.outbox && <Outbox />}
      <Groups />
    </Page>
  );
}

function Outbox(): VNode {
  const outbox = useApi<OutboxView>("api/outbox", { everyMs: renewMs });
  const { data, error, reload } = outbox;
  return (
    <>
      <Problem error={error} />
      {data && (
        <Figures label="The outbox">
          <Figure name="Pending" value={formatShort(data.pending)} />
          <Figure
            name="Oldest"
            value={data.oldestAt === null ? "–" : <Time at={data.oldestAt} />}
          />
          <Figure name="Delayed" value={formatShort(data.delayed)} />
          <Figure name="In groups" value={formatShort(data.staged)} />
          <Figure
            name="Set aside"
            tone={data.failed > 0 ? "bad" : undefined}
            value={formatShort(data.failed)}
          />
          <Figure name="Relay here" value={data.relay.state} />
          <Figure
            name="Published"
            value={
              <>
                {formatRate(data.relay.rate)}
                <small>/s</small>
              </>
            }
          />
        </Figures>
      )}
      {data && data.relay.lastError !== null && (
        <div class="notice notice-warn">
          <strong>The last error of the relay</strong>
          <p class="pre-line">{data.relay.lastError}</p>
        </div>
      )}
      <SetAside outbox={data} onChanged={reload} />
    </>
  );
}

function SetAside(props: {
  readonly outbox: OutboxView | undefined;
  readonly onChanged: () => Promise<void>;
}): VNode {
  const { outbox, onChanged } = props;
  const readOnly = useReadOnly();
  const confirm = useConfirm();
  const showToast = useToast();
  const selected = useSelection(outbox?.rows, idOf);
  const [open, setOpen] = useState<OutboxRow>();
  const isAll = selected.rows.length === 0;
  const all = outbox?.failed ?? 0;
  const rows = plural(isAll ? all : selected.rows.length, "event");
  const act = (action: "retry" | "discard"): void => {
    const isRetry = action === "retry";
    const verb = isRetry ? "Retry" : "Discard";
    const hidden = isAll ? ", also those that the table does not show" : "";
    confirm({
      title: isAll
        ? `${verb} all events that were set aside (${formatCount(all)})?`
        : `${verb} ${rows}?`,
      consequence: isRetry
        ? `The relay publishes the events again${hidden}. They keep their ids.`
        : `The events are deleted from the outbox${hidden}. They are never published.`,
      action: isAll ? `${verb} all` : verb,
      kind: isRetry ? "primary" : "danger",
      run: async () => {
        const body = isAll ? {} : { ids: [...selected.keys] };
        const result = await send<ActionResult>("POST", `api/outbox/${action}`, body);
        showToast(
          `${plural(result.count, "event is", "events are")} ${isRetry ? "pending again" : "discarded"}.`,
        );
        selected.clear();
        await onChanged();
      },
    });
  };
  const columns: readonly Column<OutboxRow>[] = [
    { title: "Event", kind: "head", cell: ({ name }) => <code>{name}</code> },
    { title: "Id", cell: ({ eventId }) => <code>{eventId}</code> },
    { title: "Error", cell: ({ error }) => <span class="cut">{error}</span> },
    { title: "Attempts", kind: "end", cell: ({ attempts }) => formatCount(attempts) },
    { title: "Staged", kind: "end", cell: ({ createdAt }) => <Time at={createdAt} /> },
    {
      title: "Actions",
      kind: "actions",
      cell: (row) => (
        <Button small label={`Show the event ${row.eventId}`} onClick={() => setOpen(row)}>
          Show
        </Button>
      ),
    },
  ];
  const reason = readOnly ?? (all === 0 ? "No event is set aside." : undefined);
  return (
    <Panel
      title="Events that were set aside"
      actions={
        <>
          <Button small reason={reason} onClick={() => act("retry")}>
            {isAll ? "Retry all…" : `Retry ${rows}…`}
          </Button>
          <Button small kind="danger" reason={reason} onClick={() => act("discard")}>
            {isAll ? "Discard all…" : `Discard ${rows}…`}
          </Button>
        </>
      }
      flush
    >
      <Table
        caption="Events that were set aside"
        columns={columns}
        rows={outbox?.rows}
        rowKey={idOf}
        selection={{
          keys: selected.keys,
          onChange: selected.setKeys,
          label: ({ eventId }) => `Select the event ${eventId}`,
        }}
        empty={
          <Empty title="No event was set aside">
            An event is set aside when the provider rejects it for good.
          </Empty>
        }
      />
      {outbox && outbox.failed > outbox.rows.length && (
        <p class="panel-body muted">
          The oldest {formatCount(outbox.rows.length)} of {formatCount(outbox.failed)} are shown.
        </p>
      )}
      {open && (
        <Dialog title={`The event ${open.name}`} wide onClose={() => setOpen(undefined)}>
          <p class="pre-line">{open.error}</p>
          <JsonView label="the data of the event" value={open.data} />
        </Dialog>
      )}
    </Panel>
  );
}

function idOf({ id }: OutboxRow): string {
  return id;
}

function Groups(): VNode {
  const readOnly = useReadOnly();
  const confirm = useConfirm();
  const showToast = useToast();
  const list = useApi<GroupList>("api/groups", { everyMs: renewMs });
  const act = ({ eventGroupId, events }: GroupView, action: "release" | "clear"): void => {
    const isRelease = action === "release";
    confirm({
      title: `${isRelease ? "Release" : "Clear"} ${eventGroupId}?`,
      consequence: isRelease
        ? `${plural(events, "event")} of the group are published.`
        : `${plural(events, "event")} of the group are deleted. They are never published.`,
      action: isRelease ? "Release the group" : "Clear the group",
      kind: isRelease ? "primary" : "danger",
      run: async () => {
        await send("POST", `api/groups/${encodeURIComponent(eventGroupId)}/${action}`);
        showToast(`The group is ${isRelease ? "released" : "cleared"}.`);
        await list.reload();
      },
    });
  };
  const columns: readonly Column<GroupView>[] = [
    { title: "Group", kind: "head", cell: ({ eventGroupId }) => <code>{eventGroupId}</code> },
    { title: "Events", kind: "end", cell: ({ events }) => formatCount(events) },
    {
      title: "State",
      cell: ({ marked }) => (
        <Badge tone={marked ? "info" : "plain"}>{marked ? "Being released" : "Staged"}</Badge>
      ),
    },
    { title: "Staged", kind: "end", cell: ({ stagedAt }) => <Time at={stagedAt} /> },
    {
      title: "Actions",
      kind: "actions",
      cell: (group) => (
        <div class="row">
          <Button
            small
            reason={readOnly}
            label={`Release ${group.eventGroupId}`}
            onClick={() => act(group, "release")}
          >
            Release…
          </Button>
          <Button
            small
            kind="danger"
            reason={readOnly}
            label={`Clear ${group.eventGroupId}`}
            onClick={() => act(group, "clear")}
          >
            Clear…
          </Button>
        </div>
      ),
    },
  ];
  return (
    <Panel title="Groups" flush>
      <Table
        caption="Groups"
        columns={columns}
        rows={list.data?.groups}
        rowKey={({ eventGroupId }) => eventGroupId}
        error={list.error}
        empty={
          <Empty title="No group is staged">
            A group appears here between its first event and its release.
          </Empty>
        }
      />
    </Panel>
  );
}
