import type { ProviderCapabilities } from "@busbar/core/provider";
import type { CaseContext } from "./case-context.ts";
import type { FullLoad } from "./fault-load.ts";
import type { Requirement } from "./requirements.ts";

/** One promise, and how to find out whether a provider keeps it. */
export interface ConformanceCase {
  /** Stable, such as `settlement/retry-delay`. */
  readonly id: string;
  /** The part of the contract that the case belongs to. */
  readonly group: string;
  /** A sentence about behaviour. */
  readonly name: string;
  /**
   * The promise that the case tests, which the message of a failed case ends with. Its first word says where users
   * read it: `guarantee` is on the page "Delivery guarantees", `bus` on the page "Events", `contract` in the doc
   * comments of `@busbar/core/provider`.
   */
  readonly promise: string;
  /** Without it the case is for every provider. */
  readonly when?: Requirement | undefined;
  /**
   * Milliseconds after which the case has failed.
   *
   * @default 10_000
   */
  readonly limitMs?: ((capabilities: ProviderCapabilities, load: FullLoad) => number) | undefined;
  /**
   * Nothing may run next to it: it breaks the broker for all, or looks at the whole process.
   *
   * @default false
   */
  readonly alone?: boolean | undefined;
  /** Runs the case. Rejects if the provider does not keep the promise. */
  run(context: CaseContext): Promise<void>;
}

type CaseOfGroup = Omit<ConformanceCase, "group">;

/** Puts cases into a group. */
export function defineCases(
  group: string,
  cases: readonly CaseOfGroup[],
): readonly ConformanceCase[] {
  return cases.map((it) => ({ ...it, id: `${group}/${it.id}`, group }));
}
