import { BUSY_MS } from "./busy-loop.ts";
import { postgresSides } from "./contestants/postgres-contestants.ts";
import { PERCENTILES } from "./latency.ts";
import { measureCalls } from "./measure-calls.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

const VARIANTS = BUSY_MS.flatMap((busyMs) =>
  [1, 100].map((callers) => ({
    label: `busy ${busyMs} ms a turn, ${callers} at a time`,
    subscribers: 1,
    busyMs,
    callers,
  })),
);

/** How long does an emit take in a process whose event loop is busy? */
export const question: Question = {
  title: "PostgreSQL: an emit while the event loop is busy",
  unit: { type: "ms" },
  metrics: PERCENTILES,
  needs: ["peers", "postgres"],
  maxRounds: 3,
  ...postgresSides(VARIANTS, (run) =>
    measureCalls(run, { open: (bus) => (index) => bus.emitOne(orderAt(index)) }),
  ),
};
