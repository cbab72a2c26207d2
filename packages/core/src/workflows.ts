export {
  type BoundWorkflow,
  type ChildInput,
  type ChildOptions,
  createWorkflow,
  type CreateWorkflowOptions,
  type RunWorkflow,
  type ThrowingRun,
  type Workflow,
} from "./workflows/create-workflow.ts";
export {
  createStep,
  type CreateStepOptions,
  type Step,
  type StepOptions,
  type StepResult,
} from "./workflows/create-step.ts";
export {
  type EmitEventData,
  emitEventStep,
  type EmitEventStepInput,
} from "./workflows/emit-event-step.ts";
export type { ReleaseState } from "./workflows/event-group.ts";
export { parallelize } from "./workflows/parallelize.ts";
export { releaseEventsStep } from "./workflows/release-events-step.ts";
export type {
  ReleaseFailure,
  WorkflowRun,
  WorkflowRunContainer,
  WorkflowRunContext,
  WorkflowRunError,
  WorkflowRunEvents,
  WorkflowRunInput,
  WorkflowRunOptions,
  WorkflowRunSettings,
  WorkflowTransaction,
} from "./workflows/run-options.ts";
export type { StepContext } from "./workflows/step-context.ts";
export { StepResponse } from "./workflows/step-response.ts";
export { transform } from "./workflows/transform.ts";
export { when, type When, type WhenCondition } from "./workflows/when.ts";
export type {
  InputArguments,
  Placeholder,
  Resolved,
  StepInput,
  WorkflowData,
} from "./workflows/workflow-data.ts";
export { WorkflowResponse } from "./workflows/workflow-response.ts";
export type { WorkflowFailureDetails } from "./errors/workflow-failure.ts";
export {
  createEmitEventStep,
  type Payloads,
  type TypedEmitEventStep,
  type TypedEmitEventStepInput,
} from "./workflows/typed-emit-event-step.ts";
