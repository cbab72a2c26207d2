import { setTimeout } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import type { EventProvider } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { orders } from "./contestants/redis-contestants.ts";
import { EVENT_NAME } from "./order.ts";
import type { Contestant, Question, Sample } from "./question.ts";
import { startRedisServer } from "./redis-server.ts";

const EVENTS = 500;
/** Milliseconds that a call of the handler takes, for any number of events. */
const CALL_MS = 5;
const BATCH = 50;

/** A provider, and the way to close what is under it. */
type Open = () => Promise<{
  readonly provider: EventProvider;
  readonly close: () => Promise<void>;
}>;

const openLocal: Open = async () => ({ provider: localProvider(), close: async () => {} });

const openRedis: Open = async () => {
  const { redisProvider } = await import("@busbar/redis");
  const server = await startRedisServer();
  return { provider: redisProvider({ redisUrl: server.url }), close: () => server.close() };
};

/** Emits all events in one call, and waits until each is acknowledged. One of each fifty may fail once. */
async function measure(open: Open, maxEvents: number, fails: boolean): Promise<Sample> {
  const { provider, close } = await open();
  const bus = createEventBus({ provider, logger: false });
  let [calls, runs] = [0, 0];
  let onAll = (): void => {};
  const all = new Promise<void>((resolve) => (onAll = resolve));
  let left = EVENTS;
  bus.on("delivered", () => {
    left -= 1;
    if (left === 0) onAll();
  });
  const isBad = (index: number, attempt: number): boolean =>
    fails && index % BATCH === 7 && attempt === 1;
  if (maxEvents === 1) {
    const handle = async (event: { readonly data: number }, attempt: number): Promise<void> => {
      calls += 1;
      runs += 1;
      await setTimeout(CALL_MS);
      if (isBad(event.data, attempt)) throw new Error("fails once");
    };
    bus.subscribe<number>(EVENT_NAME, (event, { attempt }) => handle(event, attempt), {
      subscriberId: "index",
      attempts: 2,
      concurrency: 1,
    });
  } else {
    bus.subscribe<number>(
      EVENT_NAME,
      async (events, { attempt, fail }) => {
        calls += 1;
        runs += events.length;
        await setTimeout(CALL_MS);
        for (const event of events) {
          if (isBad(event.data, attempt(event))) fail(event, new Error("fails once"));
        }
      },
      { subscriberId: "index", attempts: 2, batch: { maxEvents } },
    );
  }
  await bus.start();
  const from = performance.now();
  await bus.emit(orders(EVENTS).map((_, data) => ({ name: EVENT_NAME, data })));
  await all;
  const tookMs = performance.now() - from;
  await bus.stop();
  await close();
  return { handled: (tookMs * 1e6) / EVENTS, calls, runs };
}

function contestant(id: string, label: string, ...how: Parameters<typeof measure>): Contestant {
  return { id, label, measure: () => measure(...how) };
}

const one = "one event a call";
const many = `batches of ${BATCH}`;

/** What does a batch gain, where a call costs the same for any number of events? */
export const question: Question = {
  title: `${EVENTS} events in one emit, for a handler of ${CALL_MS} ms that runs once at a time`,
  unit: { type: "ns", per: "event" },
  metrics: [
    { id: "handled", label: "emit to last acknowledged" },
    { id: "calls", label: "calls of the handler", unit: { type: "count" } },
    { id: "runs", label: "events in all calls", unit: { type: "count" } },
  ],
  contestants: [
    contestant("local", `local, ${one}`, openLocal, 1, false),
    contestant("local-batch", `local, ${many}`, openLocal, BATCH, false),
    contestant("local-fails", `local, ${many}, one of fifty fails once`, openLocal, BATCH, true),
    contestant("redis", `Redis, ${one}`, openRedis, 1, false),
    contestant("redis-batch", `Redis, ${many}`, openRedis, BATCH, false),
    contestant("redis-fails", `Redis, ${many}, one of fifty fails once`, openRedis, BATCH, true),
  ],
  comparisons: [
    { of: "local-batch", to: "local" },
    { of: "redis-batch", to: "redis" },
  ],
  needs: ["redis-server"],
  maxRounds: 3,
};
