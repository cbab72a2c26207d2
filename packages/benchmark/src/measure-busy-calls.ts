import { BUSY_MS, whileBusy } from "./busy-loop.ts";
import type { RedisBus } from "./contestants/redis-bus.ts";
import {
  busbarAndMedusa,
  type RedisRun,
  type RedisVariant,
} from "./contestants/redis-contestants.ts";
import { PERCENTILES, percentiles } from "./latency.ts";
import type { Question, Sample } from "./question.ts";

/** Calls of each caller, one after the other; of one caller alone, enough for a percentile. */
const CALLS = 20;
const CALLS_ALONE = 100;

interface BusyVariant extends RedisVariant {
  readonly busyMs: number;
  readonly callers: number;
}

/** A call to time, which publishes one event. */
export type Call = (index: number) => Promise<unknown>;

/** What a question times. */
export interface BusyCall {
  /** Not timed, and before all calls. */
  readonly prepare?: (bus: RedisBus, index: number) => Promise<unknown>;
  readonly open: (bus: RedisBus) => Call;
}

const VARIANTS: readonly BusyVariant[] = BUSY_MS.flatMap((busyMs) =>
  [1, 20, 100].map((callers) => ({
    label: `busy ${busyMs} ms a turn, ${callers} at a time`,
    subscribers: 1,
    concurrency: 10,
    busyMs,
    callers,
    atLeast: 2,
  })),
);

async function measureCalls(
  { deliveries, open }: RedisRun,
  { busyMs, callers }: BusyVariant,
  { prepare, open: openCall }: BusyCall,
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

/** How long a call takes in a process whose event loop is busy, in all variants. */
export function busyQuestion(title: string, call: BusyCall): Question {
  return {
    title,
    unit: { type: "ms" },
    metrics: PERCENTILES,
    needs: ["peers", "redis-server"],
    maxRounds: 3,
    ...busbarAndMedusa(VARIANTS, (run, variant) => measureCalls(run, variant, call)),
  };
}
