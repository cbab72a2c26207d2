import { redisSides } from "./contestants/redis-contestants.ts";
import { measureEndToEnd } from "./measure-end-to-end.ts";
import type { Question } from "./question.ts";

/** How long does an event take from emit to handled, when many are on their way? */
export const question: Question = {
  title: "Redis: events emitted in calls of 1 000 and handled in the same process",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "handled", label: "first emit to last handled" }],
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "many",
    [
      { label: "1 at a time", subscribers: 1, concurrency: 1 },
      { label: "10 at a time", subscribers: 1, concurrency: 10, atLeast: 10 },
      { label: "100 at a time", subscribers: 1, concurrency: 100 },
      { label: "10 at a time, 3 subscribers", subscribers: 3, concurrency: 10 },
      { label: "10 at a time, 10 subscribers", subscribers: 10, concurrency: 10 },
    ],
    (run) => measureEndToEnd(run),
  ),
};
