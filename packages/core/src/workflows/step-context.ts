import type { ServiceContainer } from "../contract/container.ts";
import type { Logger } from "../contract/logger.ts";

/** What a step knows of the run it is in. */
export interface StepContext {
  /** The container that the workflow was run with. */
  readonly container: ServiceContainer;
  /**
   * The group of the run's events. Events with it in their `metadata.eventGroupId` are released
   * when the run succeeds, and cleared when it fails.
   */
  readonly eventGroupId: string;
  /** The workflow that the step is part of: for a step of a child, the child. */
  readonly workflowId: string;
  /** The run. A child that runs as a step is part of its parent's. */
  readonly transactionId: string;
  /** The step's name in its workflow, such as `emit-event-step-2`. */
  readonly stepName: string;
  /**
   * Different for each step of each run, the same for all attempts of one and for its
   * compensation. Events with it in their `metadata.stepId` are cleared when the step fails.
   */
  readonly stepId: string;
  /** 1 for the first attempt, 2 for the first retry. Compensation counts its own. */
  readonly attempt: number;
  /**
   * Aborts when the attempt has taken `timeoutMs`, or when the workflow runs inside a step that
   * has.
   */
  readonly signal: AbortSignal;
  /** What `run` was given as `context.metadata`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What the container has as `logger`; without one, warnings and errors go to the console. */
  readonly logger: Logger;
}
