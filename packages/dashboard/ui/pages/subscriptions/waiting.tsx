import type { VNode } from "preact";
import { useCallback, useState } from "preact/hooks";
import type { SubscriptionView, WaitingPage, WaitingView } from "../../../src/contract/api.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { TextField } from "../../components/field.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Empty, Panel } from "../../components/page.tsx";
import { Pager, usePages } from "../../components/pager.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useReadOnly } from "../../session.ts";
import { CancelDialog } from "./cancel-dialog.tsx";

const words: Readonly<Record<WaitingView["state"], readonly [Tone, string]>> = {
  ready: ["info", "Ready"],
  delayed: ["plain", "Delayed"],
  blocked: ["warn", "Blocked by its key"],
};

/** The deliveries that have not begun, and a look-up by the id of an event. */
export function Waiting(props: {
  readonly subscription: SubscriptionView;
  /** Called after an action. */
  readonly onChanged: () => Promise<void>;
}): VNode {
  const { subscription, onChanged } = props;
  const { subscriberId } = subscription;
  const readOnly = useReadOnly();
  const [typed, setTyped] = useState("");
  const [eventId, setEventId] = useState("");
  const [open, setOpen] = useState<WaitingView>();
  const [cancelled, setCancelled] = useState<WaitingView>();
  const path = useCallback(
    (cursor: string | undefined) => {
      const query = new URLSearchParams({
        ...(eventId !== "" && { eventId }),
        ...(cursor !== undefined && { cursor }),
      });
      return `api/subscriptions/${encodeURIComponent(subscriberId)}/waiting?${query}`;
    },
    [subscriberId, eventId],
  );
  const list = usePages<WaitingView, WaitingPage>(path);
  const columns: readonly Column<WaitingView>[] = [
    { title: "Event", kind: "head", cell: ({ event }) => event.name },
    { title: "Id", cell: ({ event }) => <code>{event.id}</code> },
    {
      title: "State",
      cell: ({ state }) => <Badge tone={words[state][0]}>{words[state][1]}</Badge>,
    },
    { title: "Due", cell: ({ dueAt }) => (dueAt === null ? "–" : <Time at={dueAt} />) },
    {
      title: "Actions",
      kind: "actions",
      cell: (row) => (
        <div class="row">
          <Button small label={`Show the event ${row.event.id}`} onClick={() => setOpen(row)}>
            Show
          </Button>
          <Button
            small
            reason={readOnly}
            label={`Cancel the event ${row.event.id}`}
            onClick={() => setCancelled(row)}
          >
            Cancel…
          </Button>
        </div>
      ),
    },
  ];
  return (
    <Panel
      title="Pending deliveries"
      actions={
        <Button small disabled={list.isLoading} onClick={() => void list.reload()}>
          Reload
        </Button>
      }
      flush
    >
      <form
        class="panel-body catalogue-find"
        onSubmit={(event) => {
          event.preventDefault();
          setEventId(typed.trim());
        }}
      >
        <TextField
          label="Id of an event"
          type="search"
          value={typed}
          onChange={(value) => {
            setTyped(value);
            if (value === "") setEventId("");
          }}
          placeholder="Look an event up"
          mono
        />
        <Button type="submit">Look up</Button>
      </form>
      <Table
        caption="Pending deliveries"
        columns={columns}
        rows={list.items}
        // An id may be there twice.
        rowKey={({ event }, index) => `${event.id} ${index}`}
        error={list.error}
        empty={
          eventId === "" ? (
            <Empty title="Nothing is pending" />
          ) : (
            <Empty title="No pending delivery of this event">
              It may be in flight, delivered, or dead. An event that was never emitted is not here
              either.
            </Empty>
          )
        }
      />
      <Pager list={list} noun="pending deliveries" one="pending delivery" />
      {open !== undefined && (
        <Dialog title={open.event.name} wide onClose={() => setOpen(undefined)}>
          <JsonView value={open.event.data} label="the data" />
          <JsonView value={open.event.metadata} label="the metadata" />
        </Dialog>
      )}
      {cancelled !== undefined && (
        <CancelDialog
          event={cancelled.event}
          subscriberId={subscriberId}
          onChanged={async () => {
            await Promise.all([list.reload(), onChanged()]);
          }}
          onClose={() => setCancelled(undefined)}
        />
      )}
    </Panel>
  );
}
