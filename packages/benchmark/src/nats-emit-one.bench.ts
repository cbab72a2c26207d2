import { handleQueued, natsSides } from "./contestants/nats-contestants.ts";
import { EMITTED, measureEmits } from "./measure-emits.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

/** How long does an awaited emit of one event take? */
export const question: Question = {
  title: "NATS JetStream: awaited emits of one event, one subscriber, nobody handles",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: EMITTED, label: "until emit resolves" }],
  needs: ["peers", "nats-server"],
  maxRounds: 5,
  ...natsSides(
    [
      { label: "1 at a time", subscribers: 1, callers: 1 },
      { label: "100 at a time", subscribers: 1, callers: 100 },
    ],
    (run) =>
      measureEmits(
        run,
        {
          callers: run.callers,
          async emit(bus, index) {
            await bus.emitOne(orderAt(index));
            return 1;
          },
        },
        (events) => handleQueued(run, events),
      ),
  ),
};
