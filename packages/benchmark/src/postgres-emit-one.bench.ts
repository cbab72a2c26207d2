import {
  handleQueued,
  postgresSides,
  type PostgresVariant,
} from "./contestants/postgres-contestants.ts";
import { EMITTED, measureEmits } from "./measure-emits.ts";
import { orderAt } from "./order.ts";
import type { Question } from "./question.ts";

interface EmitVariant extends PostgresVariant {
  /** Emits that wait for their answers at the same time. */
  readonly callers: number;
}

const targets = { subscribers: 1, ofPgBoss: 1, ofGraphileWorker: 1 };
const variants: readonly EmitVariant[] = [
  { label: "1 at a time", callers: 1, ...targets },
  { label: "100 at a time", callers: 100, ...targets },
];

/** How long does an awaited emit of one event take? */
export const question: Question = {
  title: "PostgreSQL: awaited emits of one event, one subscriber, nobody handles",
  unit: { type: "ns", per: "event" },
  metrics: [{ id: EMITTED, label: "until emit resolves" }],
  needs: ["peers", "postgres"],
  maxRounds: 5,
  ...postgresSides(variants, (run) =>
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
