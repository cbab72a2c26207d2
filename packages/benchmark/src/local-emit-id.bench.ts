import { emitMetrics, oneByOneContestants } from "./contestants/emit-contestants.ts";
import type { Question } from "./question.ts";

const ids = Array.from({ length: 64 }, (_, index) => ({ id: `order_${index}` }));

/** How long does one awaited emit take whose data is an id, as of Medusa's own events? */
export const question: Question = {
  title: "One awaited emit of an id, one subscriber",
  unit: { type: "ns", per: "event" },
  metrics: emitMetrics,
  needs: ["peers"],
  contestants: oneByOneContestants({ subscribers: 1, dataAt: (index) => ids[index % ids.length] }),
  comparisons: [
    { of: "busbar", to: "floor" },
    { of: "busbar", to: "medusa" },
    { of: "busbar-none", to: "medusa" },
    { of: "busbar", to: "emittery" },
  ],
};
