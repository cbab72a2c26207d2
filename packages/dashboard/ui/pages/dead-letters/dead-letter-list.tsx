import type { VNode } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { ActionResult, DeadFilter, DeadPage, DeadSummary } from "../../../src/contract/api.ts";
import { send } from "../../api.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { Empty, Page, Panel } from "../../components/page.tsx";
import { Pager, usePages } from "../../components/pager.tsx";
import { useSelection } from "../../components/selection.ts";
import { type Column, Table } from "../../components/table.tsx";
import { Time } from "../../components/time.tsx";
import { useToast } from "../../components/toast-context.ts";
import { formatCount, plural } from "../../format.ts";
import { go, href, usePlace } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { BulkDialog } from "./bulk-dialog.tsx";
import {
  filterOf,
  isWithoutConditions,
  letterAddress,
  parametersOf,
  reasonWords,
} from "./dead-letters.ts";
import { FilterForm } from "./filter-form.tsx";
import { RunningJobs } from "./running-jobs.tsx";

type Work = "replay" | "discard";

/** A search goes on by itself until it has found as many, or has looked at all. */
const fewFound = 20;

/** Dead letters that a filter finds, and what to do with them. */
export function DeadLetterList(): VNode {
  const { query } = usePlace();
  const text = query.toString();
  const filter = filterOf(query);
  const [bulk, setBulk] = useState<Work>();
  const [jobs, setJobs] = useState(0);
  const readOnly = useReadOnly();
  const path = useCallback(
    (cursor: string | undefined) =>
      `api/dead?${parametersOf(filterOf(new URLSearchParams(text)), cursor)}`,
    [text],
  );
  const list = usePages<DeadSummary, DeadPage>(path);
  const { items, pages, last, isLoading, hasMore, error, more, reload } = list;
  const selected = useSelection(items, keyOf);
  const looked = pages.reduce((sum, page) => sum + page.looked, 0);

  // A page of a search may have few letters or none although later ones have more.
  const wantsMore = items !== undefined && items.length < fewFound && hasMore;
  const goesOn = wantsMore && !isLoading && error === undefined;
  useEffect(() => {
    if (goesOn) void more();
  }, [goesOn]);
  const isSearching = wantsMore && error === undefined;

  const renew = useCallback(async () => {
    selected.clear();
    await reload();
  }, [reload]);
  const hasFilter = Object.keys(filter).length > 0;
  return (
    <Page
      title="Dead letters"
      lead="Deliveries that the bus has given up. They stay here until an operator replays or discards them, or until they expire."
    >
      <RunningJobs started={jobs} onEnded={renew} />
      <Panel title="Search" flush>
        <FilterForm
          filter={filter}
          onSearch={(next: DeadFilter) => go(href("/dead-letters", { ...next }))}
        />
      </Panel>
      <Panel
        title={hasFilter ? "Dead letters that match" : "All dead letters"}
        actions={
          <>
            <SelectedActions selected={selected.rows} onDone={renew} />
            {last !== undefined && last.total > 0 && (
              <>
                <Button small reason={readOnly} onClick={() => setBulk("replay")}>
                  {hasFilter ? "Replay all that match…" : "Replay all…"}
                </Button>
                <Button small kind="danger" reason={readOnly} onClick={() => setBulk("discard")}>
                  {hasFilter ? "Discard all that match…" : "Discard all…"}
                </Button>
              </>
            )}
            <Button small disabled={isLoading} onClick={() => void renew()}>
              Reload
            </Button>
          </>
        }
        flush
      >
        {isSearching && last !== undefined && (
          <p class="panel-body" role="status">
            Searched {formatCount(looked)} of {plural(last.total, "dead letter")}…
          </p>
        )}
        {!(isSearching && items.length === 0) && (
          <Table
            caption="Dead letters"
            columns={columns}
            rows={items}
            rowKey={keyOf}
            error={error}
            selection={{
              keys: selected.keys,
              onChange: selected.setKeys,
              label: ({ eventName, eventId }) => `Select ${eventName} ${eventId}`,
            }}
            empty={
              hasFilter ? (
                <Empty title="No dead letter matches the filter" />
              ) : (
                <Empty title="No dead letters">Every delivery has been acknowledged so far.</Empty>
              )
            }
          />
        )}
        {!isSearching && (
          <Pager
            list={list}
            noun="dead letters"
            one="dead letter"
            total={isWithoutConditions(filter) ? last?.total : undefined}
          />
        )}
      </Panel>
      {bulk !== undefined && (
        <BulkDialog
          work={bulk}
          filter={filter}
          onStarted={() => setJobs((count) => count + 1)}
          onClose={() => setBulk(undefined)}
        />
      )}
    </Page>
  );
}

const columns: readonly Column<DeadSummary>[] = [
  {
    title: "Event",
    kind: "head",
    cell: ({ subscriberId, id, eventName, eventId }) => (
      <a href={letterAddress(subscriberId, id)} title={eventId}>
        {eventName}
      </a>
    ),
  },
  { title: "Subscription", cell: ({ subscriberId }) => subscriberId },
  {
    title: "Reason",
    cell: ({ reason }) => {
      const [tone, word] = reasonWords(reason);
      return <Badge tone={tone}>{word}</Badge>;
    },
  },
  {
    title: "Last error",
    cell: ({ error }) => (error === null ? "–" : shortened(`${error.name}: ${error.message}`)),
  },
  { title: "Attempts", kind: "end", cell: ({ attempts }) => formatCount(attempts) },
  { title: "Died", kind: "end", cell: ({ diedAt }) => <Time at={diedAt} /> },
];

/** Buttons for the dead letters that are selected. */
function SelectedActions(props: {
  readonly selected: readonly DeadSummary[];
  readonly onDone: () => Promise<void>;
}): VNode | null {
  const { selected, onDone } = props;
  const confirm = useConfirm();
  const showToast = useToast();
  const readOnly = useReadOnly();
  if (selected.length === 0) return null;
  const letters = plural(selected.length, "dead letter");
  const act = async (work: Work, done: string): Promise<void> => {
    let count = 0;
    for (const subscriberId of new Set(selected.map((letter) => letter.subscriberId))) {
      const some = selected.filter((letter) => letter.subscriberId === subscriberId);
      const ids = some.map(({ id }) => id);
      const result = await send<ActionResult>("POST", `api/dead/${work}`, { subscriberId, ids });
      count += result.count;
    }
    showToast(`${done} ${plural(count, "dead letter")}.`);
    await onDone();
  };
  return (
    <>
      <Button
        small
        kind="primary"
        reason={readOnly}
        onClick={() =>
          confirm({
            title: `Replay ${letters}?`,
            consequence: "Their subscriptions get the events again, as if for the first time.",
            action: "Replay",
            run: () => act("replay", "Replayed"),
          })
        }
      >
        Replay {formatCount(selected.length)} selected
      </Button>
      <Button
        small
        kind="danger"
        reason={readOnly}
        onClick={() =>
          confirm({
            title: `Discard ${letters}?`,
            consequence: "They are deleted. This cannot be undone.",
            action: "Discard",
            kind: "danger",
            run: () => act("discard", "Discarded"),
          })
        }
      >
        Discard {formatCount(selected.length)} selected
      </Button>
    </>
  );
}

function keyOf({ subscriberId, id }: DeadSummary): string {
  return JSON.stringify([subscriberId, id]);
}

function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
