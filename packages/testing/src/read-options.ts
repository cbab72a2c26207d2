import { assertOptions, type Checks, checks } from "@busbar/core/provider";
import type { TestingProviderOptions, TypedTestingProviderOptions } from "./testing-provider.ts";

/** Options of a provider, with every default filled in but those of the memory below it. */
export interface ReadOptions {
  readonly time: "virtual" | "system";
  readonly startAt: number;
  readonly timeoutMs: number;
  readonly ioWaitMs: number;
  readonly random: () => number;
  readonly maxPending: number | undefined;
  readonly deduplicationWindowMs: number | undefined;
}

const optionChecks: Checks<TypedTestingProviderOptions<object>> = {
  // Read by the compiler only.
  events: checks.object,
  time: checks.oneOf("virtual", "system"),
  startAt: checks.milliseconds,
  timeoutMs: checks.milliseconds,
  ioWaitMs: checks.milliseconds,
  random: checks.function,
  maxPending: checks.wholeFrom(1),
  deduplicationWindowMs: checks.wholeFrom(1),
};

/**
 * Fills in the defaults of a provider.
 *
 * @throws TypeError when an option has a value that it cannot have.
 */
export function readOptions(options: TestingProviderOptions): ReadOptions {
  assertOptions("testingProvider()", options, optionChecks);
  const { time = "virtual", startAt = Date.UTC(2026, 0, 1), timeoutMs = 2_000 } = options;
  const { ioWaitMs = 0, random = () => 0, maxPending, deduplicationWindowMs } = options;
  return { time, startAt, timeoutMs, ioWaitMs, random, maxPending, deduplicationWindowMs };
}
