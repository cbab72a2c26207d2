import { busyQuestion } from "./measure-busy-calls.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

/** How long does a workflow with one event take in a process whose event loop is busy? */
export const question: Question = busyQuestion("Redis: a workflow while the event loop is busy", {
  open: (bus) => {
    const run = bus.openWorkflow?.();
    return async (index) => run?.(orderAt(index));
  },
});
