import { setImmediate } from "node:timers/promises";
import { vi } from "vitest";

/** Tries until it passes, for at most ten seconds, or `timeout` milliseconds. */
export function eventually<T>(attempt: () => T | Promise<T>, timeout = 10_000): Promise<T> {
  return vi.waitFor(attempt, { timeout, interval: 20 });
}

/** As {@link eventually}, without a timer: for attempts that count those that are open. */
export async function eventuallyWithoutTimer<T>(attempt: () => T | Promise<T>): Promise<T> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await setImmediate();
  }
}
