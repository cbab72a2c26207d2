import type { RedisBus } from "./contestants/redis-bus.ts";
import { handleQueued, type MeasureOnRedis } from "./contestants/redis-contestants.ts";

/** The metric of {@link measureRedisEmits}. */
export const EMITTED = "emitted";

/** Who emits how. */
export interface EmitPlan {
  /** Callers at a time, each of which awaits its own emits one after the other. */
  readonly callers: number;
  /** Emits, and tells how many events. */
  readonly emit: (bus: RedisBus, index: number) => Promise<number>;
}

/**
 * Emits until the time is over and divides it by the events. Nobody handles them in the meantime;
 * a worker that is started afterwards proves that they all were there.
 */
export function measureRedisEmits({ callers, emit }: EmitPlan): MeasureOnRedis {
  return async (run) => {
    const bus = await run.open("server");
    let queued = 0;
    const emitFor = async (durationMs: number): Promise<number> => {
      const start = performance.now();
      const before = queued;
      const call = async (): Promise<void> => {
        do {
          const events = await emit(bus, queued);
          queued += events;
        } while (performance.now() - start < durationMs);
      };
      await Promise.all(Array.from({ length: callers }, call));
      return ((performance.now() - start) * 1_000_000) / (queued - before);
    };
    await emitFor(run.budget.warmUpMs);
    const perEvent = await emitFor(run.budget.measureMs);
    await bus.close();
    await handleQueued(run, queued);
    return { [EMITTED]: perEvent };
  };
}
