import type { Budget, Sample } from "./question.ts";

/** The metric of {@link measureEmits}. */
export const EMITTED = "emitted";

/** Who emits how. */
export interface EmitPlan<Bus> {
  /** Callers at a time, each of which awaits its own emits one after the other. */
  readonly callers: number;
  /** Emits, and tells how many events. */
  readonly emit: (bus: Bus, index: number) => Promise<number>;
}

interface Run<Bus> {
  readonly budget: Budget;
  readonly open: (role: "server") => Promise<Bus>;
}

/**
 * Emits until the time is over and divides it by the events. Nobody handles them in the meantime;
 * a worker that is started afterwards proves that they all were there.
 */
export async function measureEmits<Bus extends { readonly close: () => Promise<void> }>(
  { budget, open }: Run<Bus>,
  { callers, emit }: EmitPlan<Bus>,
  handleQueued: (events: number) => Promise<unknown>,
): Promise<Sample> {
  const bus = await open("server");
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
  await emitFor(budget.warmUpMs);
  const perEvent = await emitFor(budget.measureMs);
  await bus.close();
  await handleQueued(queued);
  return { [EMITTED]: perEvent };
}
