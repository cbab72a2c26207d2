import {
  anything,
  assertOptions,
  type Check,
  type Checks,
  checkBoolean,
  checkFunction,
  checkObject,
  checkText,
} from "../values/arguments.ts";
import { quoted } from "../errors/quoted.ts";
import type { StepOptions } from "./create-step.ts";
import type { EmitEventStepInput } from "./emit-event-step.ts";
import type { WorkflowRunContainer, WorkflowRunOptions } from "./run-options.ts";

/** The longest time that Node's timers can count. */
const MAX_TIMER_MS = 2_147_483_647;

// Whatever the input and the result are, which `never` says of an argument.
type RunOptions = WorkflowRunOptions<unknown, never>;

const STEP: Checks<StepOptions> = {
  name: checkText,
  maxRetries: (value) =>
    Number.isInteger(value) && (value as number) >= 0
      ? undefined
      : `must be a whole number from 0, not ${shown(value)}`,
  retryIntervalMs: milliseconds(0),
  timeoutMs: milliseconds(1),
};

const NAME = { name: checkText };

const BOUND_RUN: Checks<RunOptions> = {
  input: anything,
  context: checkObject,
  throwOnError: checkBoolean,
  logOnError: checkBoolean,
  events: checkObject,
};

const RUN: Checks<RunOptions & WorkflowRunContainer> = { ...BOUND_RUN, container: checkContainer };

const CONTEXT: Checks<NonNullable<RunOptions["context"]>> = {
  eventGroupId: checkText,
  transactionId: checkText,
  metadata: checkObject,
};

const EVENTS: Checks<NonNullable<RunOptions["events"]>> = {
  onFinish: checkFunction,
  onReleaseFailed: checkFunction,
};

const EMIT: Checks<EmitEventStepInput> = {
  eventName: anything,
  data: anything,
  metadata: anything,
  options: anything,
};

/** @throws TypeError that names the option, and the one that was most likely meant. */
export function assertStepOptions(call: string, options: StepOptions): void {
  assertOptions(call, options, STEP);
}

/** @throws TypeError as {@link assertStepOptions} does. */
export function assertNameOption(
  call: string,
  options: { readonly name?: string | undefined },
): void {
  assertOptions(call, options, NAME);
}

/** @throws TypeError as {@link assertStepOptions} does. */
export function assertChildInput(call: string, options: { readonly input?: unknown }): void {
  assertOptions(call, options, { input: anything });
}

/** @throws TypeError as {@link assertStepOptions} does. */
export function assertRunOptions(
  workflowId: string,
  options: RunOptions & WorkflowRunContainer,
): void {
  assertOptions(() => runOf(workflowId), options, RUN);
  assertNested(workflowId, options);
}

/** As {@link assertRunOptions}, of a workflow that has its container. */
export function assertBoundRunOptions(workflowId: string, options: RunOptions): void {
  assertOptions(() => runOf(workflowId), options, BOUND_RUN);
  assertNested(workflowId, options);
}

function assertNested(workflowId: string, { context, events }: RunOptions): void {
  if (context) assertOptions(() => `context in ${runOf(workflowId)}`, context, CONTEXT);
  if (events) assertOptions(() => `events in ${runOf(workflowId)}`, events, EVENTS);
}

function runOf(workflowId: string): string {
  return `run() of workflow ${quoted(workflowId)}`;
}

/** @throws TypeError as {@link assertStepOptions} does. The bus checks what the members are. */
export function assertEmitInput(input: EmitEventStepInput): void {
  assertOptions("emitEventStep()", input, EMIT);
}

/** @throws TypeError when there is a container, and it is none. */
export function assertContainer(call: string, container: unknown): void {
  const reason = container === undefined ? undefined : checkContainer(container);
  if (reason !== undefined) throw new TypeError(`${call}: the container ${reason}`);
}

function milliseconds(min: number): Check {
  return (value) =>
    typeof value === "number" && value >= min && value <= MAX_TIMER_MS
      ? undefined
      : `must be milliseconds from ${min} to ${MAX_TIMER_MS}, not ${shown(value)}`;
}

function checkContainer(value: unknown): string | undefined {
  const { resolve } = Object(value) as { resolve?: unknown };
  return typeof resolve === "function" ? undefined : "must have a resolve() method";
}

/** A number as it is, of anything else the type: it may be a secret. */
function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : `a ${typeof value}`;
}
