import { currentComposition, type WhenNode } from "./composition.ts";
import { createPlaceholder } from "./placeholder.ts";
import type { Resolved, WorkflowData } from "./workflow-data.ts";

/** A condition that waits for its steps. Not a promise. */
export interface When {
  /**
   * Composes the steps that run if the condition holds, and returns what `callback` returns, as a
   * placeholder. Otherwise that, and the placeholders of all steps inside, are undefined when the
   * workflow runs.
   *
   * @throws TypeError when `callback` returns a promise, or `then` is called twice.
   */
  then<T>(callback: () => T): WorkflowData<Resolved<T> | undefined>;
}

/** Tells, when the workflow runs, whether the steps of a {@link when} run. */
export type WhenCondition<TInput> = (input: Resolved<TInput>) => boolean | Promise<boolean>;

/**
 * Runs steps only if a condition holds. `input` holds placeholders; `condition` gets it with their
 * values, when the workflow has come to this place. When it throws, the workflow fails.
 *
 * @throws TypeError outside of a composer. `createWorkflow` throws one when `then` was not called.
 *
 * @example
 * ```ts
 * when("is-gift", input, ({ gift }) => gift).then(() => {
 *   wrapStep({ orderId: input.orderId });
 * });
 * ```
 */
export function when<const TInput>(input: TInput, condition: WhenCondition<TInput>): When;
export function when<const TInput>(
  name: string,
  input: TInput,
  condition: WhenCondition<TInput>,
): When;
export function when(
  ...args:
    | [input: unknown, condition: WhenNode["condition"]]
    | [name: string, input: unknown, condition: WhenNode["condition"]]
): When {
  const composition = currentComposition("when()");
  const [name, input, condition] = args.length === 3 ? args : ["when", ...args];
  const node = composition.add<WhenNode>({
    kind: "when",
    name,
    hasOwnName: false,
    input,
    condition,
    nodes: [],
    result: undefined,
    isComplete: false,
  });

  return {
    // oxlint-disable-next-line unicorn/no-thenable -- the word that users of workflows know
    then<T>(callback: () => T) {
      if (node.isComplete) throw new TypeError(`when() takes one .then(callback)`);
      node.isComplete = true;
      node.result = composition.addTo(node.nodes, callback);
      refusePromise(node.result, "The callback of when().then()");
      return createPlaceholder<WorkflowData<Resolved<T> | undefined>>({ kind: "node", node });
    },
  };
}

/** @throws TypeError when a function that composes has returned a promise. */
export function refusePromise(returned: unknown, what: string): void {
  const { then } = Object(returned) as { then?: unknown };
  if (typeof then !== "function") return;
  // Its own failure would be an unhandled rejection.
  Promise.resolve(returned).catch(() => {});
  throw new TypeError(`${what} returned a promise: it composes steps and must be synchronous`);
}
