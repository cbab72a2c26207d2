import { vi } from "vitest";

/** Tries until it passes, for at most ten seconds, or `timeout` milliseconds. */
export function eventually<T>(attempt: () => T | Promise<T>, timeout = 10_000): Promise<T> {
  return vi.waitFor(attempt, { timeout, interval: 20 });
}
