import { handleQueued, natsSides } from "./contestants/nats-contestants.ts";
import { measureDrain } from "./measure-drain.ts";
import type { Question } from "./question.ts";

/** How long does an event take to be handled that waited in a stream? */
export const question: Question = {
  title: "NATS JetStream: drain of a full stream",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "drained", label: "first to last handled" }],
  needs: ["peers", "nats-server"],
  maxRounds: 5,
  ...natsSides(
    [
      { label: "1 subscriber", subscribers: 1 },
      { label: "3 subscribers", subscribers: 3 },
    ],
    (run) => measureDrain(run, (events) => handleQueued(run, events)),
  ),
};
