import { BUSY_MS, whileBusy } from "./busy-loop.ts";
import { busbarAndMedusa, handleQueued } from "./contestants/redis-contestants.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

/** Events, each of which was emitted by itself. */
const EVENTS = 300;
const DRAINED = "drained";

const VARIANTS = BUSY_MS.flatMap((busyMs) =>
  [1, 10].map((concurrency) => ({
    label: `busy ${busyMs} ms a turn, ${concurrency} at a time`,
    subscribers: 1,
    concurrency,
    busyMs,
    atLeast: 2,
  })),
);

/** How fast are events handled that were emitted one by one, in a process whose event loop is busy? */
export const question: Question = {
  title: "Redis: 300 events that were emitted one by one, handled while the event loop is busy",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: DRAINED, label: "from the first to the last event" }],
  needs: ["peers", "redis-server"],
  maxRounds: 3,
  ...busbarAndMedusa(VARIANTS, async (run, { busyMs }) => {
    const emitter = await run.open("server");
    for (let index = 0; index < EVENTS; index += 1) await emitter.emitOne(orderAt(index));
    await emitter.close();
    const { ms } = await whileBusy(busyMs, () => handleQueued(run, EVENTS));
    return { [DRAINED]: (ms * 1_000_000) / EVENTS };
  }),
};
