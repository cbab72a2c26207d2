import type { WorkflowNode } from "./composition.ts";

/** A workflow as its composer left it. Shared by all of its runs, and never changed. */
export interface WorkflowDefinition {
  readonly workflowId: string;
  readonly nodes: readonly WorkflowNode[];
  /** What was given to `WorkflowResponse`, with its placeholders. */
  readonly response: unknown;
}
