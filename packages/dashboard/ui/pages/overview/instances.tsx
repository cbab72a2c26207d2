import type { VNode } from "preact";
import type { InstanceView } from "../../../src/contract/api.ts";
import { Badge } from "../../components/badge.tsx";
import { Panel } from "../../components/page.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { formatShort, plural } from "../../format.ts";

const words = {
  up: ["good", "Works"],
  degraded: ["warn", "Works in part"],
  down: ["bad", "Does not work"],
} as const;

const columns: readonly Column<InstanceView>[] = [
  {
    title: "Process",
    kind: "head",
    cell: ({ host, pid, here }) => (
      <span class="row">
        {host} <span class="muted number">{pid}</span>
        {here && <Badge tone="info">This one</Badge>}
      </span>
    ),
  },
  {
    title: "State",
    cell: ({ status, consuming }) => (
      <span class="row">
        <Badge tone={words[status][0]}>{words[status][1]}</Badge>
        {!consuming && <Badge>Emits only</Badge>}
      </span>
    ),
  },
  { title: "Role", cell: ({ role }) => role },
  {
    title: "Versions",
    cell: ({ versions }) => (
      <span class="small">
        {Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(", ")}
      </span>
    ),
  },
  { title: "Subscriptions", kind: "end", cell: ({ subscriptions }) => subscriptions.length },
  { title: "Emitted", kind: "end", cell: ({ counters }) => count(counters["emitted"]) },
  { title: "Delivered", kind: "end", cell: ({ counters }) => count(counters["acknowledged"]) },
  { title: "Failed", kind: "end", cell: ({ counters }) => count(counters["failed"]) },
  { title: "Started", cell: ({ startedAt }) => <Time at={startedAt} /> },
  { title: "Seen", cell: ({ seenAt }) => <Time at={seenAt} /> },
];

/** The processes that have a bus of this name. */
export function Instances(props: { readonly instances: readonly InstanceView[] }): VNode {
  const { instances } = props;
  return (
    <Panel
      title="Processes"
      actions={<span class="muted">{plural(instances.length, "process", "processes")}</span>}
      flush
    >
      <Table
        caption="Processes"
        columns={columns}
        rows={instances}
        rowKey={({ instanceId }) => instanceId}
      />
    </Panel>
  );
}

function count(value: number | undefined): string {
  return value === undefined ? "–" : formatShort(value);
}
