import {
  handleQueued,
  postgresId,
  postgresSides,
  type PostgresVariant,
} from "./contestants/postgres-contestants.ts";
import { measureDrain } from "./measure-drain.ts";
import type { Question } from "./question.ts";

const ONE: PostgresVariant = {
  label: "1 subscriber",
  subscribers: 1,
  ofPgBoss: 4,
  ofGraphileWorker: 3,
};
const THREE: PostgresVariant = { label: "3 subscribers", subscribers: 3 };
const { contestants, comparisons } = postgresSides([ONE, THREE], (run) =>
  measureDrain(run, (events) => handleQueued(run, events)),
);

/** How long does an event take to be handled that waited in a full queue? */
export const question: Question = {
  title: "PostgreSQL: drain of a full queue",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: "drained", label: "first to last handled" }],
  contestants,
  comparisons: [
    ...comparisons,
    { of: postgresId("busbar", THREE), to: postgresId("busbar", ONE), atLeast: 0.5 },
  ],
  // 20 000 events per second.
  limits: [{ of: postgresId("busbar", ONE), below: 50_000 }],
  needs: ["peers", "postgres"],
  maxRounds: 5,
};
