import { isMarked, mark } from "../values/copies.ts";
import type { Resolved } from "./workflow-data.ts";

declare const resultType: unique symbol;

/** What a composer returns to say what its workflow resolves with. */
export interface WorkflowResponse<out TResult> {
  /** A value with placeholders. */
  readonly result: unknown;
  /** Exists in types only. */
  readonly [resultType]: TResult;
}

class Response {
  readonly result: unknown;

  constructor(result: unknown) {
    this.result = result;
  }
}

mark(Response.prototype, "workflow-response");

/** Whether a composer has returned a `WorkflowResponse`. */
export function isWorkflowResponse(value: unknown): value is WorkflowResponse<unknown> {
  return isMarked(value, "workflow-response");
}

/**
 * Says what a workflow resolves with: a placeholder, or an object or array with placeholders inside.
 *
 * @example
 * ```ts
 * return new WorkflowResponse({ orderId: order.id });
 * ```
 */
// The type of the result is that of the resolved value, which a class cannot express.
export const WorkflowResponse: new <const T>(result: T) => WorkflowResponse<Resolved<T>> =
  Response as never;
