import { redisSides } from "./contestants/redis-contestants.ts";
import { EMITTED } from "./measure-emits.ts";
import { measureRedisEmits } from "./measure-redis-emits.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

/** How long does one awaited emit take? */
export const question: Question = {
  title: "Redis: one awaited emit after the other, one subscriber, nobody handles",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: EMITTED, label: "until emit resolves" }],
  needs: ["peers", "redis-server"],
  maxRounds: 5,
  ...redisSides(
    "one",
    [{ label: "", subscribers: 1, concurrency: 10, atLeast: 0.9 }],
    measureRedisEmits({
      callers: 1,
      emit: async (bus, index) => {
        await bus.emitOne(orderAt(index));
        return 1;
      },
    }),
  ),
};
