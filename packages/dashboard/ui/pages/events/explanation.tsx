import type { VNode } from "preact";
import type { ExplainedSubscription, ExplainView } from "../../../src/contract/api.ts";
import { Badge } from "../../components/badge.tsx";
import { Empty } from "../../components/page.tsx";
import { policyWords } from "../../components/policy.ts";
import { type Column, Table } from "../../components/table.tsx";
import { href } from "../../router.ts";

const columns: readonly Column<ExplainedSubscription>[] = [
  {
    title: "Subscription",
    kind: "head",
    cell: ({ subscriberId, queue }) => (
      <span class="stack-tight">
        <a href={href(`/subscriptions/${encodeURIComponent(subscriberId)}`)}>{subscriberId}</a>
        {queue !== null && (
          <span class="small muted">
            Queue <code>{queue}</code>
          </span>
        )}
      </span>
    ),
  },
  {
    title: "Because of",
    cell: ({ matchedBy }) => (
      <span class="row">
        {matchedBy.map((pattern) => (
          <code key={pattern}>{pattern}</code>
        ))}
      </span>
    ),
  },
  {
    title: "State",
    cell: ({ orphaned, paused, instances }) => (
      <span class="row">
        {orphaned && <Badge tone="bad">Orphaned: gets no new events</Badge>}
        {paused && <Badge tone="warn">Paused</Badge>}
        {!orphaned && instances === 0 && <Badge tone="warn">No handlers</Badge>}
        {!orphaned && !paused && instances > 0 && <Badge tone="good">Delivering</Badge>}
      </span>
    ),
  },
  { title: "Processes", kind: "end", cell: ({ instances }) => instances },
  {
    title: "Policy",
    cell: ({ policy }) => <span class="policy small">{policyWords(policy)}</span>,
  },
];

/** The subscriptions that get an event of a name, and why. */
export function Explanation({ explanation }: { readonly explanation: ExplainView }): VNode {
  const { name, subscriptions, nearMisses } = explanation;
  return (
    <div class="stack-tight">
      <h3>Subscriptions</h3>
      <Table
        caption={`Subscriptions that get ${name}`}
        columns={columns}
        rows={subscriptions}
        rowKey={({ subscriberId }) => subscriberId}
        empty={
          <Empty title="No subscription gets this event">
            The bus accepts an event with this name, and delivers it to nothing.
          </Empty>
        }
      />
      {nearMisses.length > 0 && (
        <div class="notice notice-warn">
          <strong>Patterns that nearly match</strong>
          <ul>
            {nearMisses.map(({ subscriberId, pattern }) => (
              <li key={`${subscriberId} ${pattern}`}>
                <code>{pattern}</code> of{" "}
                <a href={href(`/subscriptions/${encodeURIComponent(subscriberId)}`)}>
                  {subscriberId}
                </a>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
