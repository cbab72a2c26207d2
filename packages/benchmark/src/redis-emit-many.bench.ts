import { MANY, orders, redisSides } from "./contestants/redis-contestants.ts";
import { EMITTED } from "./measure-emits.ts";
import { measureRedisEmits } from "./measure-redis-emits.ts";
import type { Question } from "./question.ts";

const messages = orders(MANY);

/** How long does an event take that is emitted with 999 others in one call? */
export const question: Question = {
  title: "Redis: 1 000 events in one awaited emit, nobody handles",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: EMITTED, label: "until emit resolves" }],
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "many",
    [
      { label: "1 subscriber", subscribers: 1, concurrency: 10, atLeast: 8 },
      { label: "3 subscribers", subscribers: 3, concurrency: 10, atLeast: 4, ofLimit: 0.5 },
      { label: "10 subscribers", subscribers: 10, concurrency: 10, atLeast: 0.9, ofLimit: 0.5 },
    ],
    measureRedisEmits({
      callers: 1,
      emit: async (bus) => {
        await bus.emitMany(messages);
        return messages.length;
      },
    }),
  ),
};
