import { redisSides } from "./contestants/redis-contestants.ts";
import { EMITTED } from "./measure-emits.ts";
import { measureRedisEmits } from "./measure-redis-emits.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

/** How many events leave when 100 callers emit one each, and the next when Redis has it? */
export const question: Question = {
  title: "Redis: emits of one event, 100 in flight, one subscriber, nobody handles",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: EMITTED, label: "time over events" }],
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "one",
    [{ label: "", subscribers: 1, concurrency: 10, atLeast: 4 }],
    measureRedisEmits({
      callers: 100,
      emit: async (bus, index) => {
        await bus.emitOne(orderAt(index));
        return 1;
      },
    }),
  ),
};
