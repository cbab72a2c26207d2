import type { ServiceContainer } from "../contract/container.ts";
import {
  assertBoundRunOptions,
  assertChildInput,
  assertContainer,
  assertNameOption,
  assertRunOptions,
} from "./check-options.ts";
import { type ChildNode, compose, Composition, currentComposition } from "./composition.ts";
import { checkName, type StepResult } from "./create-step.ts";
import { createPlaceholder } from "./placeholder.ts";
import type {
  WorkflowRun,
  WorkflowRunContainer,
  WorkflowRunOptions,
  WorkflowRunSettings,
} from "./run-options.ts";
import { runWorkflow } from "./run-workflow.ts";
import { refusePromise } from "./when.ts";
import type { StepInput, WorkflowData } from "./workflow-data.ts";
import type { WorkflowDefinition } from "./workflow-definition.ts";
import { isWorkflowResponse, type WorkflowResponse } from "./workflow-response.ts";

/** Options of {@link createWorkflow}. */
export interface CreateWorkflowOptions {
  /** Names the workflow, in errors, logs and `workflowId`. */
  readonly name: string;
}

/** Options of a workflow that runs as a step of another. */
export interface ChildOptions {
  /** Names the step, in errors and logs. */
  readonly name?: string | undefined;
}

/** Runs a workflow. `TExtra` are options that one way of calling it has beside the others. */
export interface RunWorkflow<TInput, TResult, TExtra = unknown> {
  /**
   * Runs the workflow, and resolves when its steps have finished and its events were released: or
   * will be, as `release` tells. Inside of a step of another run it becomes part of that: its
   * events are in the same group, and released or cleared with it; when this run fails its own
   * events are cleared. A run begun in a compensation is independent.
   *
   * Never rejects because events could not be released.
   *
   * @throws What the first step to fail has thrown, the very same value; not with
   *   `throwOnError: false`.
   * @throws BusbarError `BUSBAR_COMPENSATION_FAILED` when steps could not be undone either; `cause`
   *   is what made the workflow fail. Not with `throwOnError: false`.
   * @throws BusbarError `BUSBAR_TIMEOUT` when a step took longer than its `timeoutMs`. Not with
   *   `throwOnError: false`.
   * @throws TypeError in a composer, or when an option is unknown or has a value that it cannot have.
   */
  (
    ...options: {} extends WorkflowRunOptions<TInput, TResult>
      ? [options?: WorkflowRunOptions<TInput, TResult> & ThrowingRun & TExtra]
      : [options: WorkflowRunOptions<TInput, TResult> & ThrowingRun & TExtra]
  ): Promise<WorkflowRun<TResult>>;
  (
    options: WorkflowRunOptions<TInput, TResult> & TExtra,
  ): Promise<WorkflowRun<TResult | undefined>>;
}

/** Options of a run that has a result whenever it resolves. */
export interface ThrowingRun {
  /** Whether `run` rejects when the workflow fails: it does. */
  readonly throwOnError?: true | undefined;
}

/** A workflow, bound to a container. */
export interface BoundWorkflow<TInput, TResult> {
  /** Runs the workflow with the container that it is bound to. */
  readonly run: RunWorkflow<TInput, TResult>;
}

/** Steps that run one after the other, and are undone when one of them fails. */
export interface Workflow<TInput, TResult> {
  /** Binds the workflow to the container that its steps get. */
  (container?: ServiceContainer): BoundWorkflow<TInput, TResult>;
  /** As `workflow(container).run(options)`, with the container among the options. */
  readonly run: RunWorkflow<TInput, TResult, WorkflowRunContainer>;
  /**
   * Makes the workflow a step of the one that is being composed, and returns the placeholder of its
   * result. Its steps become part of the other's run: they share its group, and are compensated
   * with its other steps.
   *
   * @throws TypeError outside of a composer.
   */
  runAsStep(
    ...options: {} extends ChildInput<TInput>
      ? [options?: ChildInput<TInput>]
      : [options: ChildInput<TInput>]
  ): StepResult<TResult, ChildOptions>;
  /** The name it was created with. */
  readonly workflowId: string;
}

/** The input of a workflow that runs as a step. */
export type ChildInput<TInput> = undefined extends TInput
  ? { readonly input?: StepInput<TInput> }
  : [TInput] extends [void]
    ? { readonly input?: undefined }
    : { readonly input: StepInput<TInput> };

/**
 * Defines a workflow. `composer` runs once, now: it calls steps, which adds them to the workflow,
 * and its values are placeholders for those of a run. It returns a `WorkflowResponse`, or nothing.
 *
 * A run has a group for its events: what `emitEventStep` emits is released when the run succeeds,
 * and cleared when it fails.
 *
 * @throws TypeError when the composer returns a promise or anything but a `WorkflowResponse`, uses
 *   a placeholder like a value, or names two steps the same; or when the name is empty.
 *
 * @example
 * ```ts
 * const placeOrder = createWorkflow("place-order", (input: WorkflowData<{ sku: string }>) => {
 *   const reservation = reserve({ sku: input.sku });
 *   emitEventStep({ eventName: "order.placed", data: { reservationId: reservation.id } });
 *   return new WorkflowResponse(reservation);
 * });
 * const { result } = await placeOrder(container).run({ input: { sku: "A-1" } });
 * ```
 */
export function createWorkflow<TInput = unknown, TResult = undefined>(
  nameOrOptions: string | CreateWorkflowOptions,
  composer: (input: WorkflowData<TInput>) => WorkflowResponse<TResult> | void,
): Workflow<TInput, TResult> {
  const isName = typeof nameOrOptions === "string";
  if (!isName) assertNameOption("createWorkflow()", nameOrOptions);
  const name = isName ? nameOrOptions : nameOrOptions.name;
  checkName("A workflow", name);
  if (typeof composer !== "function") throw new TypeError(`Workflow "${name}" needs a composer`);
  const definition = define<TInput>(name, composer);

  type Settings = WorkflowRunSettings<TResult> & { readonly input?: unknown };
  function start(container: ServiceContainer | undefined, { input, ...settings }: Settings) {
    // The result's type is checked by that of the composer.
    return runWorkflow(definition, input, container, settings as WorkflowRunSettings<unknown>);
  }

  async function run(options: Settings & WorkflowRunContainer = {}) {
    assertRunOptions(name, options);
    const { container, ...others } = options;
    return start(container, others);
  }

  function bind(container?: ServiceContainer) {
    assertContainer(`Workflow "${name}"`, container);
    async function runBound(options: Settings = {}) {
      assertBoundRunOptions(name, options);
      return start(container, options);
    }
    return { run: runBound };
  }

  function runAsStep(options: { readonly input?: unknown } = {}) {
    const composition = currentComposition(`Workflow "${name}" as a step`);
    assertChildInput(`runAsStep() of workflow "${name}"`, options);
    const node = composition.add<ChildNode>({
      kind: "child",
      name,
      hasOwnName: false,
      workflow: definition,
      input: options.input,
    });
    const placeholder = () => createPlaceholder<WorkflowData<TResult>>({ kind: "node", node });
    return createPlaceholder({ kind: "node", node }, (changes: ChildOptions) => {
      assertNameOption(`config() of step "${node.name}"`, changes);
      if (changes.name !== undefined) {
        Object.assign(node, { name: changes.name, hasOwnName: true });
      }
      return placeholder();
    });
  }

  const workflow = Object.assign(bind, { run, runAsStep, workflowId: name });
  // What leaves out arguments and results by type cannot be written as one function.
  return workflow as unknown as Workflow<TInput, TResult>;
}

function define<TInput>(
  workflowId: string,
  composer: (input: WorkflowData<TInput>) => WorkflowResponse<unknown> | void,
): WorkflowDefinition {
  const composition = new Composition(workflowId);
  const input = createPlaceholder<WorkflowData<TInput>>({ kind: "input" });
  const returned: unknown = compose(composition, () => composer(input));
  refusePromise(returned, `The composer of workflow "${workflowId}"`);
  if (returned !== undefined && !isWorkflowResponse(returned)) {
    throw new TypeError(
      `The composer of workflow "${workflowId}" must return a WorkflowResponse, or nothing`,
    );
  }
  composition.finish();
  return { workflowId, nodes: composition.nodes, response: returned?.result };
}
