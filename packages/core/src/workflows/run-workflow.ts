import { randomUUID } from "node:crypto";

import { NotStaged } from "../contract/held-events.ts";
import type { ServiceContainer } from "../contract/container.ts";
import { BusbarError } from "../errors/errors.ts";
import { isInstance } from "../errors/thrown.ts";
import { isComposing } from "./composition.ts";
import type { StepAttempt } from "./current-step.ts";
import { currentAttempt } from "./current-step.ts";
import type { ReleaseState } from "./event-group.ts";
import { EventGroup } from "./event-group.ts";
import { Reporter } from "./reporter.ts";
import { Run } from "./run.ts";
import type {
  ReleaseFailure,
  WorkflowRun,
  WorkflowRunContext,
  WorkflowRunSettings,
  WorkflowTransaction,
} from "./run-options.ts";
import type { WorkflowDefinition } from "./workflow-definition.ts";

/** Runs a workflow: its steps, or else their compensation, and then what becomes of its events. */
export async function runWorkflow(
  workflow: WorkflowDefinition,
  input: unknown,
  givenContainer: ServiceContainer | undefined,
  settings: WorkflowRunSettings<unknown>,
): Promise<WorkflowRun<unknown>> {
  const { workflowId } = workflow;
  if (isComposing()) {
    throw new TypeError(
      `Workflow "${workflowId}" was run in a composer: to make it a step there, call its runAsStep({ input })`,
    );
  }
  const { context = {}, throwOnError = true, logOnError = false, events = {} } = settings;
  const enclosing = enclosingAttempt();
  const container = givenContainer ?? enclosing?.run.container ?? noContainer(workflowId);
  const transactionId = context.transactionId ?? randomUUID();
  const parent = joins(context, enclosing) ? enclosing : undefined;
  const eventGroupId = parent?.run.group.id ?? context.eventGroupId ?? randomUUID();
  const reporter = new Reporter(container, { workflowId, transactionId, eventGroupId });
  const group =
    parent?.run.group ??
    new EventGroup({
      id: eventGroupId,
      container,
      reporter,
      mayHoldEvents: context.eventGroupId !== undefined,
    });
  const metadata = context.metadata ?? enclosing?.run.metadata ?? {};
  const run = new Run({ transactionId, container, metadata, group, reporter, parent });

  function onReleaseFailed(failure: Pick<ReleaseFailure, "error" | "tries" | "willRetry">): void {
    const { onReleaseFailed: callback } = events;
    if (!callback) return;
    const whole = { ...failure, eventGroupId, transactionId };
    void reporter.call("events.onReleaseFailed", () => callback(whole));
  }

  const returned = await run.invoke(workflow, input);
  let release: ReleaseState = "none";
  if (run.errors.length === 0) release = await endSucceeded(run, parent, onReleaseFailed);
  const [failure] = run.errors;
  const result = failure ? undefined : returned;
  if (failure) {
    await run.compensate();
    await endFailed(run, parent);
  }

  const compensations = run.errors.filter(({ action }) => action === "compensate");
  const state = !failure ? "done" : compensations.length === 0 ? "reverted" : "failed";
  const transaction: WorkflowTransaction = { transactionId, workflowId, eventGroupId, state };
  const outcome: WorkflowRun<unknown> = { result, errors: run.errors, transaction, release };

  if (failure && logOnError) {
    reporter.error(`Workflow "${workflowId}" failed`, { err: failure.error, step: failure.step });
  }
  if (events.onFinish) await reporter.call("events.onFinish", () => events.onFinish?.(outcome));
  if (!failure || !throwOnError) return outcome;
  if (state === "reverted") throw failure.error;
  throw new BusbarError(
    "BUSBAR_COMPENSATION_FAILED",
    `Workflow "${workflowId}" failed in step "${failure.step}", and could not undo ${compensations.map(({ step }) => `"${step}"`).join(", ")}`,
    {
      workflowId,
      transactionId,
      step: failure.step,
      compensations: compensations.map(({ step, error }) => ({ step, error })),
    },
    { cause: failure.error },
  );
}

function enclosingAttempt(): StepAttempt | undefined {
  const attempt = currentAttempt();
  return attempt?.isOpenHere ? attempt : undefined;
}

function joins({ eventGroupId }: WorkflowRunContext, enclosing: StepAttempt | undefined): boolean {
  return eventGroupId === undefined || eventGroupId === enclosing?.run.group.id;
}

/**
 * A run inside of a step leaves its events to the run around it; unless that has ended already,
 * without waiting for this one. A run whose last events cannot be staged has failed.
 */
async function endSucceeded(
  run: Run,
  parent: StepAttempt | undefined,
  onFailed: (failure: Pick<ReleaseFailure, "error" | "tries" | "willRetry">) => void,
): Promise<ReleaseState> {
  const { group } = run;
  if (parent) {
    await group.decision;
    if (group.ending === undefined) return "none";
    if (group.ending === "cleared") {
      await group.discard(run.stepIds);
      return "none";
    }
  }
  const { firstStep } = run.held;
  const held = run.held.take();
  try {
    return await group.releaseAtEnd(
      (error, tries, willRetry) => onFailed({ error, tries, willRetry }),
      held,
    );
  } catch (error) {
    if (!isInstance(error, NotStaged)) throw error;
    run.fail(firstStep, error.cause);
    return "none";
  }
}

async function endFailed(run: Run, parent: StepAttempt | undefined): Promise<void> {
  if (parent) await run.group.discard(run.stepIds);
  else await run.group.clearAtEnd(run.stepIds);
  run.end();
}

function noContainer(workflowId: string): ServiceContainer {
  return {
    resolve(name: string | symbol): never {
      throw new TypeError(
        `Workflow "${workflowId}" was run without a container, and a step resolves "${String(name)}": ` +
          `workflow(container).run(…)`,
      );
    },
  };
}
