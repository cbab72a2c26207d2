import type { ServiceContainer } from "../contract/container.ts";
import type { Logger } from "../contract/logger.ts";
import type { EnclosingRun } from "./current-step.ts";
import { findLogger } from "./reporter.ts";
import type { StepContext } from "./step-context.ts";

/** The use of a step in a workflow, as a {@link StepRunContext} tells of it. */
export interface UsedStep {
  readonly node: { readonly name: string };
  readonly workflowId: string;
  readonly stepId: string;
}

/**
 * A step's context in one attempt. A class, because an object with getters of its own takes as long
 * to make as a whole delivery.
 */
export class StepRunContext implements StepContext {
  readonly container: ServiceContainer;
  readonly workflowId: string;
  readonly transactionId: string;
  readonly stepName: string;
  readonly stepId: string;
  readonly attempt: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly #group: EnclosingRun["group"];
  #signal: AbortSignal | undefined;

  /** `signal` is absent when nothing can abort the attempt. */
  constructor(
    step: UsedStep,
    run: EnclosingRun,
    transactionId: string,
    attempt: number,
    signal: AbortSignal | undefined,
  ) {
    this.container = run.container;
    this.workflowId = step.workflowId;
    this.transactionId = transactionId;
    this.stepName = step.node.name;
    this.stepId = step.stepId;
    this.attempt = attempt;
    this.metadata = run.metadata;
    this.#group = run.group;
    this.#signal = signal;
  }

  get eventGroupId(): string {
    return this.#group.idForStep();
  }

  /** Made when first read: an AbortController is not cheap. */
  get signal(): AbortSignal {
    this.#signal ??= new AbortController().signal;
    return this.#signal;
  }

  get logger(): Logger {
    return findLogger(this.container);
  }
}
