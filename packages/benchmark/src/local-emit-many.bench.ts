import { emitContestants, emitMetrics } from "./contestants/emit-contestants.ts";
import type { Question } from "./question.ts";

/** How long does an event take that is emitted with 999 others in one call? */
export const question: Question = {
  title: "1 000 events in one emit, one subscriber",
  unit: { type: "ns", per: "event" },
  metrics: emitMetrics,
  needs: ["peers"],
  contestants: emitContestants({ subscribers: 1, events: 1_000, run: (bus) => bus.emitMany() }),
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
