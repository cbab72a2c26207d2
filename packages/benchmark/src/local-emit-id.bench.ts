import { emitContestants, emitMetrics, emitOneByOne } from "./contestants/emit-contestants.ts";
import type { Question } from "./question.ts";

const events = 1_000;
const ids = Array.from({ length: 64 }, (_, index) => ({ id: `order_${index}` }));

/** How long does one awaited emit take whose data is an id, as of Medusa's own events? */
export const question: Question = {
  title: "One awaited emit of an id, one subscriber",
  unit: { type: "ns", per: "event" },
  metrics: emitMetrics,
  needs: ["peers"],
  contestants: emitContestants({
    subscribers: 1,
    events,
    dataAt: (index) => ids[index % ids.length],
    run: (bus) => emitOneByOne(bus, events),
  }),
  comparisons: [
    { of: "busbar", to: "medusa" },
    { of: "busbar-none", to: "medusa" },
    { of: "busbar", to: "emittery" },
  ],
};
