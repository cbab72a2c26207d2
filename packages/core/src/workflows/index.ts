export type {
  BoundWorkflow,
  ChildInput,
  ChildOptions,
  CreateWorkflowOptions,
  RunWorkflow,
  ThrowingRun,
  Workflow,
} from "./create-workflow.ts";
export { createWorkflow } from "./create-workflow.ts";
export type { CreateStepOptions, Step, StepOptions, StepResult } from "./create-step.ts";
export { createStep } from "./create-step.ts";
export type { EmitEventData, EmitEventStepInput } from "./emit-event-step.ts";
export { emitEventStep } from "./emit-event-step.ts";
export type { ReleaseState } from "./event-group.ts";
export { parallelize } from "./parallelize.ts";
export { releaseEventsStep } from "./release-events-step.ts";
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
} from "./run-options.ts";
export type { StepContext } from "./step-context.ts";
export { StepResponse } from "./step-response.ts";
export { transform } from "./transform.ts";
export type { When, WhenCondition } from "./when.ts";
export { when } from "./when.ts";
export type {
  InputArguments,
  Placeholder,
  Resolved,
  StepInput,
  WorkflowData,
} from "./workflow-data.ts";
export { WorkflowResponse } from "./workflow-response.ts";
