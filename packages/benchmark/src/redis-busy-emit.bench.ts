import { busyQuestion } from "./measure-busy-calls.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

/** How long does an emit take in a process whose event loop is busy? */
export const question: Question = busyQuestion("Redis: an emit while the event loop is busy", {
  open: (bus) => (index) => bus.emitOne(orderAt(index)),
});
