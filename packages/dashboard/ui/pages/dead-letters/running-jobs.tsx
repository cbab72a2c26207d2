import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { JobList, JobView } from "../../../src/contract/api.ts";
import { send, useApi } from "../../api.ts";
import { Panel } from "../../components/page.tsx";
import { Progress } from "../../components/progress.tsx";
import { useToast } from "../../components/toast-context.ts";
import { formatCount, plural } from "../../format.ts";
import { useReadOnly } from "../../session.ts";

const renewMs = 1_000;

/** The progress of replays and discards by filter, of all users, with buttons that cancel them. */
export function RunningJobs(props: {
  /** How many jobs this page has started. */
  readonly started: number;
  /** Called when a job has ended. */
  readonly onEnded: () => Promise<void>;
}): VNode | null {
  const { started, onEnded } = props;
  const list = useApi<JobList>("api/jobs", { everyMs: renewMs });
  const showToast = useToast();
  const readOnly = useReadOnly();
  const running = useRef(new Set<string>());
  const count = useRef(0);
  const jobs = list.data?.jobs.filter(({ what }) => what.endsWith("dead letters"));

  useEffect(() => {
    if (started > 0) void list.reload();
  }, [started]);
  useEffect(() => {
    if (jobs === undefined) return;
    // A job that this page has started may have ended before it was listed.
    const fresh = jobs.slice(0, started - count.current);
    count.current = started;
    for (const { id } of fresh) running.current.add(id);
    let hasEnded = false;
    for (const job of jobs) {
      if (job.state === "running") running.current.add(job.id);
      else if (running.current.delete(job.id)) {
        hasEnded = true;
        showToast(outcomeOf(job), job.state === "failed" ? "bad" : "good");
      }
    }
    if (hasEnded) void onEnded();
  }, [list.data]);

  const shown = jobs?.filter(({ state }) => state === "running") ?? [];
  if (shown.length === 0) return null;
  const cancel = async (id: string): Promise<void> => {
    try {
      await send("DELETE", `api/jobs/${id}`);
    } catch (error) {
      showToast(String(error), "bad");
    }
    await list.reload();
  };
  return (
    <Panel title="At work">
      {shown.map((job) => (
        <Progress
          key={job.id}
          label={labelOf(job)}
          done={job.looked}
          total={job.total ?? undefined}
          onCancel={readOnly === undefined ? () => void cancel(job.id) : undefined}
        />
      ))}
    </Panel>
  );
}

function outcomeOf(job: JobView): string {
  const letters = `${isReplay(job) ? "replayed" : "discarded"} ${plural(job.done, "dead letter")}`;
  if (job.state === "failed") return `The job has failed after it ${letters}: ${job.error}`;
  if (job.state === "cancelled") return `Cancelled after the job ${letters}.`;
  return `The job has ${letters}.`;
}

function labelOf(job: JobView): string {
  const done = formatCount(job.done);
  return isReplay(job)
    ? `Replaying dead letters for ${job.startedBy}. Replayed ${done}, searched`
    : `Discarding dead letters for ${job.startedBy}. Discarded ${done}, searched`;
}

function isReplay({ what }: JobView): boolean {
  return what.startsWith("replay");
}
