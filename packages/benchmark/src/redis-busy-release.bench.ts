import { busyQuestion } from "./measure-busy-calls.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

/** How long does the release of a group of one event take in a process whose event loop is busy? */
export const question: Question = busyQuestion("Redis: a release while the event loop is busy", {
  prepare: async (bus, index) => bus.stage?.(orderAt(index), `group-${index}`),
  open: (bus) => async (index) => bus.release?.(`group-${index}`),
});
