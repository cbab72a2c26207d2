import { assertStepOptions } from "./check-options.ts";
import { currentComposition, type StepNode } from "./composition.ts";
import { createPlaceholder } from "./placeholder.ts";
import type { StepContext } from "./step-context.ts";
import type { StepCompensateInput, StepOutput } from "./step-response.ts";
import type { InputArguments, WorkflowData } from "./workflow-data.ts";

/** How a step is tried. */
export interface StepOptions {
  /** Names the step, in errors, logs and `stepName`. */
  readonly name?: string | undefined;
  /**
   * How often the step is tried again after it failed; its compensation, too. A `PermanentError`
   * is not tried again.
   *
   * @default 0
   */
  readonly maxRetries?: number | undefined;
  /**
   * Milliseconds between two attempts.
   *
   * @default 0
   */
  readonly retryIntervalMs?: number | undefined;
  /**
   * Milliseconds after which an attempt has failed with `BUSBAR_TIMEOUT`, at most 2 147 483 647.
   * Its signal aborts; a step that ignores it has its result thrown away. None by default.
   */
  readonly timeoutMs?: number | undefined;
}

/** {@link StepOptions} of a new step. */
export interface CreateStepOptions extends StepOptions {
  /** Identifies the step within its workflow. */
  readonly name: string;
}

/** A step that workflows are composed of. */
export interface Step<TInput, TOutput> {
  /**
   * Adds the step to the workflow that is being composed. Called without an argument, the step
   * gets an empty object. A step may be used many times: each use has a name of its own.
   *
   * @throws TypeError outside of a composer.
   */
  (...input: InputArguments<TInput>): StepResult<TOutput>;
  /** The name it was created with. */
  readonly stepName: string;
}

/** The placeholder of a step's output. */
export type StepResult<T, TOptions = StepOptions> = WorkflowData<T> & {
  /**
   * Sets options for this use of the step, over those it was created with.
   *
   * @throws TypeError when an option is unknown or out of range, and from `createWorkflow` when a name was
   *   chosen twice.
   */
  config(options: TOptions): WorkflowData<T>;
};

/** What is known of a step. Its inputs are checked by the types of {@link createStep}. */
export interface StepDefinition {
  readonly invoke: (input: never, context: StepContext) => unknown;
  readonly compensate: ((input: never, context: StepContext) => unknown) | undefined;
  readonly maxRetries: number;
  readonly retryIntervalMs: number;
  readonly timeoutMs: number | undefined;
  /** Whether it does nothing but emit, and only what it is told to. */
  readonly onlyEmits: boolean;
}

/**
 * Creates a step: something that a workflow does, and how it is undone.
 *
 * `invoke` returns the step's output, or a `StepResponse` of it; it fails by a throw or a
 * rejection. `compensate` runs when a later step fails, with the output, or with what was given to
 * `StepResponse` for it.
 *
 * @throws TypeError when the name is empty, or an option is unknown or out of range.
 *
 * @example
 * ```ts
 * const reserve = createStep(
 *   { name: "reserve-stock", maxRetries: 2, retryIntervalMs: 200 },
 *   async (input: { sku: string }, { container }) => {
 *     const reservation = await container.resolve<Stock>("stock").reserve(input.sku);
 *     return new StepResponse(reservation, reservation.id);
 *   },
 *   async (reservationId, { container }) => {
 *     await container.resolve<Stock>("stock").release(reservationId);
 *   },
 * );
 * ```
 */
export function createStep<TInput = {}, TReturn = unknown>(
  nameOrOptions: string | CreateStepOptions,
  invoke: (input: TInput, context: StepContext) => TReturn,
  compensate?: (input: StepCompensateInput<Awaited<TReturn>>, context: StepContext) => unknown,
): Step<TInput, StepOutput<Awaited<TReturn>>> {
  const isName = typeof nameOrOptions === "string";
  if (!isName) assertStepOptions("createStep()", nameOrOptions);
  const options = isName ? { name: nameOrOptions } : nameOrOptions;
  return defineStep({ ...options, onlyEmits: false }, invoke, compensate);
}

/** As {@link createStep}, which users call. */
export function defineStep<TInput = {}, TReturn = unknown>(
  options: CreateStepOptions & Pick<StepDefinition, "onlyEmits">,
  invoke: (input: TInput, context: StepContext) => TReturn,
  compensate?: (input: StepCompensateInput<Awaited<TReturn>>, context: StepContext) => unknown,
): Step<TInput, StepOutput<Awaited<TReturn>>> {
  type Result = StepResult<StepOutput<Awaited<TReturn>>>;
  const { name } = options;
  checkName("A step", name);
  if (typeof invoke !== "function") throw new TypeError(`Step "${name}" needs a function`);
  if (compensate !== undefined && typeof compensate !== "function") {
    throw new TypeError(`The compensation of step "${name}" must be a function`);
  }
  const step: StepDefinition = {
    invoke,
    compensate,
    maxRetries: options.maxRetries ?? 0,
    retryIntervalMs: options.retryIntervalMs ?? 0,
    timeoutMs: options.timeoutMs,
    onlyEmits: options.onlyEmits,
  };

  function use(...input: readonly unknown[]): Result {
    const composition = currentComposition(`Step "${name}"`);
    const node = composition.add<StepNode>({
      kind: "step",
      name,
      hasOwnName: false,
      step,
      // So that an invoke function which destructures it works.
      input: input.length === 0 ? {} : input[0],
    });
    return createPlaceholder<Result>({ kind: "node", node }, (changes: StepOptions) =>
      configure(node, changes),
    );
  }
  return Object.assign(use, { stepName: name });
}

function configure<T>(node: StepNode, changes: StepOptions): T {
  assertStepOptions(`config() of step "${node.name}"`, changes);
  const { step } = node;
  node.step = {
    ...step,
    maxRetries: changes.maxRetries ?? step.maxRetries,
    retryIntervalMs: changes.retryIntervalMs ?? step.retryIntervalMs,
    timeoutMs: changes.timeoutMs ?? step.timeoutMs,
  };
  if (changes.name !== undefined) Object.assign(node, { name: changes.name, hasOwnName: true });
  return createPlaceholder({ kind: "node", node }) as T;
}

/** @throws TypeError when a name is not a string, or empty. */
export function checkName(what: string, name: unknown): void {
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`${what} needs a name that is not empty`);
  }
}
