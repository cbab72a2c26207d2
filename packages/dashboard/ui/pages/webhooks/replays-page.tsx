import type { VNode } from "preact";
import { send, useApi } from "../../api.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { Empty, Page, Panel } from "../../components/page.tsx";
import { Progress } from "../../components/progress.tsx";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useToast } from "../../components/toast-context.ts";
import { formatCount } from "../../format.ts";
import { href } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { Tabs } from "./tabs.tsx";
import type { PageView, ReplayView } from "./views.ts";

const renewMs = 2_000;

const tones: Readonly<Record<ReplayView["state"], Tone>> = {
  running: "info",
  done: "good",
  cancelled: "plain",
  failed: "bad",
};

/** The replays, how far they are, and buttons that cancel them. */
export function ReplaysPage(): VNode {
  const readOnly = useReadOnly();
  const showToast = useToast();
  // Only who may replay sees replays.
  const list = useApi<PageView<ReplayView>>(
    readOnly === undefined ? "api/webhooks/replays?limit=50" : undefined,
    { everyMs: renewMs },
  );
  const cancel = async ({ id }: ReplayView): Promise<void> => {
    try {
      await send("POST", `api/webhooks/replays/${encodeURIComponent(id)}/cancel`);
      showToast("The replay is cancelled.");
    } catch (error) {
      showToast(error instanceof Error ? error.message : String(error), "bad");
    }
    await list.reload();
  };
  const columns: readonly Column<ReplayView>[] = [
    {
      title: "Search",
      kind: "head",
      cell: ({ query }) => (
        <a href={href("/webhooks/log", { query })}>
          <code>{query === "" ? "everything" : query}</code>
        </a>
      ),
    },
    { title: "State", cell: ({ state }) => <Badge tone={tones[state]}>{state}</Badge> },
    {
      title: "Progress",
      cell: (replay) =>
        replay.state === "running" ? (
          <Progress
            label="Replaying"
            done={replay.done + replay.skipped}
            total={replay.total}
            onCancel={() => void cancel(replay)}
          />
        ) : (
          `${formatCount(replay.done)} of ${formatCount(replay.total)}`
        ),
    },
    { title: "Skipped", kind: "end", cell: ({ skipped }) => formatCount(skipped) },
    { title: "Begun by", cell: ({ createdBy }) => createdBy ?? "–" },
    { title: "Begun", kind: "end", cell: ({ createdAt }) => <Time at={createdAt} /> },
    { title: "Error", cell: ({ error }) => error ?? "–" },
  ];
  return (
    <Page
      title="Replays"
      lead="Deliveries that are made again. A replay goes on in any process, also after this page is closed."
    >
      <Tabs current="/webhooks/replays" />
      <Panel title="The last 50 replays" flush>
        {readOnly === undefined ? (
          <Table
            caption="Replays"
            columns={columns}
            rows={list.data?.items}
            rowKey={({ id }) => id}
            error={list.error}
            empty={
              <Empty title="No replays yet">
                Search the delivery log, and replay what the search finds.
              </Empty>
            }
          />
        ) : (
          <Empty title="You may not see replays">Replays are for callers who may replay.</Empty>
        )}
      </Panel>
    </Page>
  );
}
