import type { VNode } from "preact";
import type { AuditList, AuditView } from "../../src/contract/api.ts";
import { useApi } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Empty, Page, Panel } from "../components/page.tsx";
import { type Column, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";

const renewMs = 10_000;

const columns: readonly Column<AuditView>[] = [
  { title: "When", cell: ({ at }) => <Time at={at} /> },
  { title: "Who", cell: ({ caller }) => caller },
  { title: "Action", kind: "head", cell: ({ action }) => action },
  { title: "Target", cell: ({ target }) => <code>{target}</code> },
  {
    title: "Result",
    cell: ({ result }) =>
      result === "done" ? <Badge tone="good">Done</Badge> : <Badge tone="bad">Failed</Badge>,
  },
  {
    title: "Details",
    cell: ({ details }) => (
      <span class="small">
        {Object.entries(details)
          .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
          .join(", ")}
      </span>
    ),
  },
];

/** Who did what with this dashboard. */
export function Content(): VNode {
  const { data, error } = useApi<AuditList>("api/audit", { everyMs: renewMs });
  return (
    <Page
      title="Actions"
      lead="What people did with this dashboard since its process has started, the latest first."
    >
      <Panel flush>
        <Table
          caption="Actions"
          columns={columns}
          rows={data?.entries}
          rowKey={({ at }, index) => `${at} ${index}`}
          error={error}
          empty={
            <Empty title="No actions yet">
              Actions such as pausing a subscription are listed here and in the log of the
              application.
            </Empty>
          }
        />
      </Panel>
    </Page>
  );
}
