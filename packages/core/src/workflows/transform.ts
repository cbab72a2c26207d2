import { currentComposition } from "./composition.ts";
import { createPlaceholder } from "./placeholder.ts";
import type { Resolved, WorkflowData } from "./workflow-data.ts";

/** What a `transform` is made of, once its types are checked. */
export type TransformFunction = (value: never) => unknown;

/**
 * Computes with values that exist only while the workflow runs. `input` holds placeholders; the
 * functions get it with their values, each what the one before has returned or resolved with. They
 * run when a step first needs the result, at most once per run, and must not change what they get.
 * When one throws, so does the step that needs the result.
 *
 * @throws TypeError outside of a composer.
 *
 * @example
 * ```ts
 * const total = transform({ items: input.items }, ({ items }) =>
 *   items.reduce((sum, item) => sum + item.price, 0),
 * );
 * ```
 */
export function transform<const TInput, A>(
  input: TInput,
  first: (value: Resolved<TInput>) => A,
): WorkflowData<Awaited<A>>;
export function transform<const TInput, A, B>(
  input: TInput,
  first: (value: Resolved<TInput>) => A,
  second: (value: Awaited<A>) => B,
): WorkflowData<Awaited<B>>;
export function transform<const TInput, A, B, C>(
  input: TInput,
  first: (value: Resolved<TInput>) => A,
  second: (value: Awaited<A>) => B,
  third: (value: Awaited<B>) => C,
): WorkflowData<Awaited<C>>;
export function transform<const TInput, A, B, C, D>(
  input: TInput,
  first: (value: Resolved<TInput>) => A,
  second: (value: Awaited<A>) => B,
  third: (value: Awaited<B>) => C,
  fourth: (value: Awaited<C>) => D,
): WorkflowData<Awaited<D>>;
export function transform(
  input: unknown,
  ...functions: readonly TransformFunction[]
): WorkflowData<unknown> {
  currentComposition("transform()");
  return createPlaceholder({ kind: "transform", input, functions });
}
