import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { EmitResult, ScheduleList, ScheduleView } from "../../src/contract/api.ts";
import { send, useApi } from "../api.ts";
import { Button } from "../components/button.tsx";
import { type Question, useConfirm } from "../components/confirm.tsx";
import { Empty, Page, Panel } from "../components/page.tsx";
import { type Column, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { useToast } from "../components/toast-context.ts";
import { plural } from "../format.ts";
import { href } from "../router.ts";
import { useReadOnly } from "../session.ts";
import { NextDue } from "./schedules/next-due.tsx";
import { ScheduleDialog } from "./schedules/schedule-dialog.tsx";
import { ScheduleState } from "./schedules/schedule-state.tsx";
import { timesInWords } from "./schedules/times-in-words.ts";

const renewMs = 5_000;

/** The recurring emits of the bus: when each is due, and the actions on it. */
export function Content(): VNode {
  const list = useApi<ScheduleList>("api/schedules", { everyMs: renewMs });
  const schedules = list.data?.schedules;
  return (
    <Page
      title="Schedules"
      lead="Events that the bus emits by itself, by a cron expression or at an interval. All processes share the schedules."
    >
      <Panel
        title="All schedules"
        actions={
          schedules && <span class="muted small">{plural(schedules.length, "schedule")}</span>
        }
        flush
      >
        {list.error?.status === 409 ? (
          <Empty title="There are no schedules">{list.error.message}</Empty>
        ) : (
          <Schedules schedules={schedules} error={list.error} onChanged={list.reload} />
        )}
      </Panel>
    </Page>
  );
}

function Schedules(props: {
  readonly schedules: readonly ScheduleView[] | undefined;
  readonly error: ReturnType<typeof useApi>["error"];
  readonly onChanged: () => Promise<void>;
}): VNode {
  const { schedules, error, onChanged } = props;
  const readOnly = useReadOnly();
  const ask = useScheduleActions(onChanged);
  const [openId, setOpenId] = useState<string>();
  const open = schedules?.find(({ id }) => id === openId);
  const columns: readonly Column<ScheduleView>[] = [
    {
      title: "Schedule",
      kind: "head",
      cell: ({ id, times }) => (
        <>
          <code>{id}</code>
          <div class="small muted">{timesInWords(times)}</div>
        </>
      ),
    },
    {
      title: "Event",
      cell: ({ event }) => (
        <a href={href(`/events/${encodeURIComponent(event)}`)}>
          <code>{event}</code>
        </a>
      ),
    },
    { title: "State", cell: (schedule) => <ScheduleState of={schedule} /> },
    { title: "Next due", cell: (schedule) => <NextDue of={schedule} /> },
    {
      title: "Last emitted",
      cell: ({ lastFiredAt }) => (lastFiredAt === null ? "–" : <Time at={lastFiredAt} />),
    },
    {
      title: "Actions",
      kind: "actions",
      cell: (schedule) => {
        const { id, paused } = schedule;
        const action = (name: Action, text: string): VNode => (
          <Button
            small
            kind={name === "remove" ? "danger" : "plain"}
            reason={readOnly}
            label={`${text} ${id}`}
            onClick={() => ask(name, schedule)}
          >
            {`${text}…`}
          </Button>
        );
        return (
          <div class="row">
            <Button small label={`Show ${id}`} onClick={() => setOpenId(id)}>
              Show
            </Button>
            {action("trigger", "Emit now")}
            {paused ? action("resume", "Resume") : action("pause", "Pause")}
            {action("remove", "Remove")}
          </div>
        );
      },
    },
  ];
  return (
    <>
      <Table
        caption="Schedules"
        columns={columns}
        rows={schedules}
        rowKey={({ id }) => id}
        error={error}
        empty={
          <Empty title="There are no schedules">
            The application sets schedules in its options, or with bus.schedules.set().
          </Empty>
        }
      />
      {open && <ScheduleDialog schedule={open} onClose={() => setOpenId(undefined)} />}
    </>
  );
}

type Action = "trigger" | "pause" | "resume" | "remove";

const questions: Readonly<
  Record<
    Action,
    (schedule: ScheduleView) => Pick<Question, "title" | "consequence" | "action" | "kind">
  >
> = {
  trigger: ({ id, event }) => ({
    title: `Emit the event of ${id} now?`,
    consequence: `The bus emits ${event} once, at once. The due times of the schedule stay as they are.`,
    action: "Emit now",
  }),
  pause: ({ id }) => ({
    title: `Pause ${id}?`,
    consequence:
      "The schedule emits nothing in any process until it is resumed. Due times during the pause lead to no event.",
    action: "Pause",
  }),
  resume: ({ id }) => ({
    title: `Resume ${id}?`,
    consequence: "The schedule goes on with its first due time from now on.",
    action: "Resume",
  }),
  remove: ({ id }) => ({
    title: `Remove ${id}?`,
    consequence:
      "The schedule emits nothing more. Events that it has emitted stay. If the schedule is in the options of the application, the next start of a process sets it again.",
    action: "Remove the schedule",
    kind: "danger",
  }),
};

/** Returns a function that asks the user for a confirmation, and then acts on a schedule. */
function useScheduleActions(
  onChanged: () => Promise<void>,
): (action: Action, schedule: ScheduleView) => void {
  const confirm = useConfirm();
  const showToast = useToast();
  return (action, schedule) => {
    const { id, event } = schedule;
    confirm({
      ...questions[action](schedule),
      run: async () => {
        const path = `api/schedules/${encodeURIComponent(id)}/${action}`;
        const { eventId } = await send<Partial<EmitResult>>("POST", path);
        const words = { trigger: `Emitted ${event} with the id ${eventId}.`, ...done(id) };
        showToast(words[action]);
        await onChanged();
      },
    });
  };
}

function done(id: string): Readonly<Record<Exclude<Action, "trigger">, string>> {
  return { pause: `Paused ${id}.`, resume: `Resumed ${id}.`, remove: `Removed ${id}.` };
}
