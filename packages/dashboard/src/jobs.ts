import { randomUUID } from "node:crypto";
import type { Logger } from "@busbar/core";
import { safeError, systemClock } from "@busbar/core/provider";
import type { AuditLog, AuditEntry } from "./audit.ts";
import type { JobView } from "./contract/api.ts";
import { Problem } from "./http/problem.ts";

/** Jobs that run at the same time, and jobs that are listed. */
const MOST_RUNNING = 3;
const LISTED = 50;

/** How far a job has come. */
export interface JobProgress {
  readonly looked: number;
  readonly matched: number;
  readonly done: number;
  readonly total: number;
}

/** What a job is. */
export interface JobDefinition {
  /** Such as `replay dead letters`. */
  readonly what: string;
  /** What the audit log says when the job ends. */
  readonly audit: Pick<AuditEntry, "caller" | "action" | "target" | "details">;
  /** Does the work, until it is done or `signal` aborts: then it resolves with what was done. */
  readonly run: (
    signal: AbortSignal,
    onProgress: (progress: JobProgress) => void,
  ) => Promise<Omit<JobProgress, "total">>;
}

interface Job {
  view: JobView;
  readonly controller: AbortController;
}

/** Work that takes longer than a request. It ends with the process. */
export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #audit: AuditLog;
  readonly #logger: () => Logger | undefined;

  constructor(audit: AuditLog, logger: () => Logger | undefined) {
    this.#audit = audit;
    this.#logger = logger;
  }

  /** The newest job first. */
  list(): readonly JobView[] {
    return Array.from(this.#jobs.values(), ({ view }) => view).toReversed();
  }

  /** @throws Problem when there is no such job, or it was so long ago that it is forgotten. */
  get(id: string): JobView {
    return this.#find(id).view;
  }

  /**
   * Ends a job after its present step. Does nothing if it has ended.
   *
   * @throws Problem when there is no such job.
   */
  cancel(id: string): JobView {
    const job = this.#find(id);
    job.controller.abort();
    return job.view;
  }

  /** Ends every job. */
  close(): void {
    for (const { controller } of this.#jobs.values()) controller.abort();
  }

  /**
   * Starts a job.
   *
   * @throws Problem when too many jobs run.
   */
  start({ what, audit, run }: JobDefinition): JobView {
    const running = this.list().filter(({ state }) => state === "running").length;
    if (running >= MOST_RUNNING) {
      const detail = `${MOST_RUNNING} jobs are running: wait for one of them, or cancel it`;
      throw new Problem("too-many-requests", detail, { headers: { "retry-after": "5" } });
    }
    const job: Job = {
      controller: new AbortController(),
      view: {
        id: randomUUID(),
        what,
        startedBy: audit.caller,
        startedAt: nowText(),
        endedAt: null,
        state: "running",
        looked: 0,
        matched: 0,
        done: 0,
        total: null,
        error: null,
      },
    };
    this.#jobs.set(job.view.id, job);
    this.#forget();
    void this.#run(job, audit, run);
    return job.view;
  }

  async #run(job: Job, audit: JobDefinition["audit"], run: JobDefinition["run"]): Promise<void> {
    const { signal } = job.controller;
    const update = (change: Partial<JobView>): void => void (job.view = { ...job.view, ...change });
    try {
      const { looked, matched, done } = await run(signal, (progress) => {
        const { total } = progress;
        update({ looked: progress.looked, matched: progress.matched, done: progress.done, total });
      });
      update({ looked, matched, done, state: signal.aborted ? "cancelled" : "done" });
    } catch (error) {
      this.#logger()?.error({ jobId: job.view.id, error: safeError(error) }, "A job has failed");
      update({ state: "failed", error: safeError(error).message });
    }
    update({ endedAt: nowText() });
    const { id, state, matched, done } = job.view;
    const result = state === "failed" ? "failed" : "done";
    this.#audit.add({ ...audit, result, details: { ...audit.details, id, state, matched, done } });
  }

  #find(id: string): Job {
    const job = this.#jobs.get(id);
    if (!job) throw new Problem("not-found", "There is no such job in this process");
    return job;
  }

  #forget(): void {
    for (const [id, { view }] of this.#jobs) {
      if (this.#jobs.size <= LISTED) return;
      if (view.state !== "running") this.#jobs.delete(id);
    }
  }
}

function nowText(): string {
  return new Date(systemClock.now()).toISOString();
}
