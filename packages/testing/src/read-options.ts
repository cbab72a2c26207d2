import type { TestingProviderOptions } from "./testing-provider.ts";

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

/**
 * Fills in the defaults of a provider.
 *
 * @throws TypeError when an option has a value that it cannot have.
 */
export function readOptions(options: TestingProviderOptions): ReadOptions {
  const { time = "virtual", startAt = Date.UTC(2026, 0, 1), timeoutMs = 2_000 } = options;
  const { ioWaitMs = 0, random = () => 0, maxPending, deduplicationWindowMs } = options;
  if (time !== "virtual" && time !== "system") {
    throw new TypeError(`time must be "virtual" or "system", and is ${JSON.stringify(time)}`);
  }
  for (const [name, value] of Object.entries({ startAt, timeoutMs, ioWaitMs })) {
    if (Number.isFinite(value) && value >= 0) continue;
    throw new TypeError(`${name} must be a number of milliseconds from 0, and is ${value}`);
  }
  return { time, startAt, timeoutMs, ioWaitMs, random, maxPending, deduplicationWindowMs };
}
