import { emitMetrics, oneByOneContestants } from "./contestants/emit-contestants.ts";
import type { Question } from "./question.ts";

/** How long does one awaited emit take, with one subscriber? */
export const question: Question = {
  title: "One awaited emit, one subscriber",
  unit: { type: "ns", per: "event" },
  metrics: emitMetrics,
  needs: ["peers"],
  contestants: oneByOneContestants({ subscribers: 1 }),
  comparisons: [
    { of: "busbar", to: "floor", atLeast: 0.75 },
    { of: "busbar", to: "medusa" },
    { of: "busbar-none", to: "medusa" },
    { of: "busbar", to: "emittery" },
    { of: "busbar-none", to: "emittery", atLeast: 1 },
    { of: "busbar", to: "eventemitter3" },
    { of: "busbar-none", to: "eventemitter3" },
  ],
};
