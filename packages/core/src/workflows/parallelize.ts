import { currentComposition, type ParallelNode } from "./composition.ts";
import { referenceOf } from "./placeholder.ts";
import type { Placeholder } from "./workflow-data.ts";

/**
 * Runs steps at the same time, and goes on when all have finished. Takes what steps, `runAsStep`
 * and `when().then()` return, and returns the same. When one fails the others are let finish,
 * without retries and, in a child, without its further steps; then those that succeeded are
 * compensated, in reverse order of their completion.
 *
 * @throws TypeError outside of a composer, or when an argument is not a step that was called right
 *   here.
 *
 * @example
 * ```ts
 * const [stock, payment] = parallelize(reserveStock(input), authorizePayment(input));
 * ```
 */
export function parallelize<const TSteps extends readonly Placeholder<unknown>[]>(
  ...steps: TSteps
): TSteps {
  const composition = currentComposition("parallelize()");
  const nodes = steps.map((step) => {
    const reference = referenceOf(step);
    if (reference?.source.kind !== "node" || reference.path.length > 0) {
      throw new TypeError("parallelize() takes steps: parallelize(stepA(input), stepB(input))");
    }
    return reference.source.node;
  });
  if (nodes.length === 0) return steps;
  composition.add<ParallelNode>({
    kind: "parallel",
    name: "parallelize",
    hasOwnName: false,
    nodes: composition.takeLast(nodes),
  });
  return steps;
}
