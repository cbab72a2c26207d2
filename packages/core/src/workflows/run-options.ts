import type { ServiceContainer } from "../contract/container.ts";
import type { ReleaseState } from "./event-group.ts";

/** What a run may be told beside its input. */
export interface WorkflowRunContext {
  /**
   * The group of the run's events. Events that are in it already are released, or cleared, with
   * those of the run. Inside of a step, one that differs from that of the enclosing run makes this
   * run independent of it. A new UUIDv7 by default.
   */
  readonly eventGroupId?: string | undefined;
  /** Identifies the run, in errors and logs. A new UUIDv7 by default. */
  readonly transactionId?: string | undefined;
  /** Passed to the steps. That of the enclosing run by default. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** A try to release the events of a run that succeeded has failed. */
export interface ReleaseFailure {
  /** Why the release has failed. */
  readonly error: unknown;
  /** The group that could not be released. */
  readonly eventGroupId: string;
  /** Identifies the run. */
  readonly transactionId: string;
  /** Tries so far. */
  readonly tries: number;
  /** False after the last try: what remains is staged until it is released or cleared by hand. */
  readonly willRetry: boolean;
}

/** Functions that a run calls. One that fails is logged, and changes nothing. */
export interface WorkflowRunEvents<TResult> {
  /** Called once, however the run has ended, and awaited, before `run` resolves or rejects. */
  readonly onFinish?: ((run: WorkflowRun<TResult | undefined>) => unknown) | undefined;
  /**
   * Called after each failed try to release the events of a run that succeeded; also after `run`
   * has resolved with `release: "pending"`.
   */
  readonly onReleaseFailed?: ((failure: ReleaseFailure) => unknown) | undefined;
}

/** How to run a workflow. */
export interface WorkflowRunSettings<TResult> {
  /** Ids and metadata of the run. New ids by default. */
  readonly context?: WorkflowRunContext | undefined;
  /**
   * Whether `run` rejects when the workflow fails.
   *
   * @default true
   */
  readonly throwOnError?: boolean | undefined;
  /**
   * Whether a failure is written to the container's `logger`.
   *
   * @default false
   */
  readonly logOnError?: boolean | undefined;
  /** Functions that the run calls. None by default. */
  readonly events?: WorkflowRunEvents<TResult> | undefined;
}

/** The input of a run, which may be left out where the workflow asks for nothing in particular. */
export type WorkflowRunInput<TInput> = undefined extends TInput
  ? { readonly input?: TInput | undefined }
  : [TInput] extends [void]
    ? { readonly input?: undefined }
    : { readonly input: TInput };

/** {@link WorkflowRunSettings} and the input. */
export type WorkflowRunOptions<TInput, TResult> = WorkflowRunSettings<TResult> &
  WorkflowRunInput<TInput>;

/** The service container, for a run that names it among its options. */
export interface WorkflowRunContainer {
  /** What the steps get. Inside of a step, that of the enclosing run by default. */
  readonly container?: ServiceContainer | undefined;
}

/** Something that went wrong in a run. */
export interface WorkflowRunError {
  /** The step; for one of a child, `child/step`. For what is no step, the workflow. */
  readonly step: string;
  /** Whether the step ran, or was being compensated. */
  readonly action: "invoke" | "compensate";
  /** What was thrown, the very same value. */
  readonly error: unknown;
}

/** A run, once it has ended. */
export interface WorkflowTransaction {
  /** Identifies the run. */
  readonly transactionId: string;
  /** The name of the workflow. */
  readonly workflowId: string;
  /** The group of the run's events. */
  readonly eventGroupId: string;
  /**
   * `done`: all steps have succeeded. `reverted`: one failed, and those before it were compensated.
   * `failed`: a compensation failed as well.
   */
  readonly state: "done" | "reverted" | "failed";
}

/** What a run resolves with. */
export interface WorkflowRun<TResult> {
  /** What the composer gave to `WorkflowResponse`; undefined if the workflow failed. */
  readonly result: TResult;
  /** Empty if the workflow succeeded. */
  readonly errors: readonly WorkflowRunError[];
  /** The run itself: its ids and how it ended. */
  readonly transaction: WorkflowTransaction;
  /**
   * `released`: the run's events were handed to the event module. `pending`: that failed, and is
   * tried again in the background: up to twenty times, after 100 ms and then twice as long each
   * time up to 5 s, as long as the process lives. Events that may be neither published nor staged are
   * not given up after twenty times. `none`: there was nothing to release, or the run
   * that encloses this one will release it.
   */
  readonly release: ReleaseState;
}
