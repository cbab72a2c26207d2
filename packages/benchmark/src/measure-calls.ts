import { whileBusy } from "./busy-loop.ts";
import type { Deliveries } from "./deliveries.ts";
import { percentiles } from "./latency.ts";
import type { Sample } from "./question.ts";

/** Calls of each caller, one after the other; of one caller alone, enough for a percentile. */
const CALLS = 20;
const CALLS_ALONE = 100;

/** A call to time, which publishes one event. */
export type Call = (index: number) => Promise<unknown>;

/** What is timed. */
export interface TimedCall<Bus> {
  /** Not timed, and before all calls. */
  readonly prepare?: (bus: Bus, index: number) => Promise<unknown>;
  readonly open: (bus: Bus) => Call;
}

interface Run<Bus> {
  readonly deliveries: Deliveries;
  readonly open: (role: "shared") => Promise<Bus>;
  /** How long the event loop is busy in each turn, in milliseconds. */
  readonly busyMs: number;
  /** How many calls wait for their answers at the same time. */
  readonly callers: number;
}

/** Times calls in a process whose event loop is busy, as percentiles. */
export async function measureCalls<Bus extends { readonly close: () => Promise<void> }>(
  { deliveries, open, busyMs, callers }: Run<Bus>,
  { prepare, open: openCall }: TimedCall<Bus>,
): Promise<Sample> {
  const bus = await open("shared");
  const call = openCall(bus);
  const perCaller = callers === 1 ? CALLS_ALONE : CALLS;
  const latencies: number[] = [];
  const run = async (from: number): Promise<void> => {
    const numbers = Array.from({ length: callers * perCaller }, (_, index) => from + index);
    const handled = deliveries.expect(numbers.length);
    if (prepare) await Promise.all(numbers.map((index) => prepare(bus, index)));
    latencies.length = 0;
    const one = async (caller: number): Promise<void> => {
      for (let nth = 0; nth < perCaller; nth += 1) {
        const start = performance.now();
        await call(from + caller * perCaller + nth);
        latencies.push(performance.now() - start);
      }
    };
    await whileBusy(busyMs, async () => {
      await Promise.all(Array.from({ length: callers }, (_, caller) => one(caller)));
    });
    await handled;
  };
  // The first time much is not compiled.
  await run(0);
  await run(callers * perCaller);
  await bus.close();
  return percentiles(latencies);
}
