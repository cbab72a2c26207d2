import { handleQueued, postgresSides } from "./contestants/postgres-contestants.ts";
import { EMITTED, measureEmits } from "./measure-emits.ts";
import { numberedOrders } from "./order.ts";
import type { Question } from "./question.ts";

const messages = numberedOrders(0, 1_000);

/** How long does an event take that is emitted with 999 others in one call? */
export const question: Question = {
  title: "PostgreSQL: 1 000 events in one awaited emit, nobody handles",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: EMITTED, label: "until emit resolves" }],
  needs: ["peers", "postgres"],
  maxRounds: 5,
  ...postgresSides(
    [
      { label: "1 subscriber", subscribers: 1, ofPgBoss: 5, ofGraphileWorker: 5 },
      { label: "3 subscribers", subscribers: 3 },
    ],
    (run) =>
      measureEmits(
        run,
        {
          callers: 1,
          async emit(bus) {
            await bus.emitMany(messages);
            return messages.length;
          },
        },
        (events) => handleQueued(run, events),
      ),
  ),
};
