import { inTransaction, type Pool, rowsOf } from "./contestants/pg.ts";
import {
  type PostgresBusRun,
  postgresId,
  postgresSides,
  type PostgresVariant,
} from "./contestants/postgres-contestants.ts";
import { atRate } from "./latency.ts";
import { numberedOrders } from "./order.ts";
import type { Question, Sample } from "./question.ts";

/** Events in one call. */
const MANY = 10;
/** Calls that wait for their answers at full speed. */
const CALLERS = 10;
/** Events between two looks at the clock. */
const EVENTS = 5_000;
/** The load lasts that many times as long as other measurements. */
const TIMES_AS_LONG = 60;
const LOAD = 0.7;

interface BloatVariant extends PostgresVariant {
  /** Whether another transaction is open from before the load until the end. PostgreSQL then keeps all dead rows. */
  readonly isHeld: boolean;
}

/**
 * Emits and handles in one process: at full speed, then for minutes at 70 % of that speed, and at full speed again.
 */
async function measureBloat(run: PostgresBusRun & BloatVariant): Promise<Sample> {
  const { budget, pool, deliveries, open, isHeld } = run;
  const bus = await open("shared");
  const orders = numberedOrders(0, MANY);

  /** Returns the nanoseconds that an event takes. */
  async function fullSpeed(durationMs: number): Promise<number> {
    let [total, events] = [0, 0];
    do {
      const start = performance.now();
      const handled = deliveries.expect(EVENTS);
      let calls = EVENTS / MANY;
      const call = async (): Promise<void> => {
        while (calls-- > 0) await bus.emitMany(orders);
      };
      await Promise.all(Array.from({ length: CALLERS }, call));
      await handled;
      total += performance.now() - start;
      events += EVENTS;
    } while (total < durationMs);
    return (total * 1_000_000) / events;
  }

  async function loadFor(durationMs: number, nsPerEvent: number): Promise<void> {
    const callsPerSecond = (LOAD * 1e9) / nsPerEvent / MANY;
    const calls = Math.ceil((callsPerSecond * durationMs) / 1_000);
    const handled = deliveries.expect(calls * MANY);
    await atRate(callsPerSecond, calls, () => bus.emitMany(orders));
    await handled;
  }

  async function measure(): Promise<Sample> {
    const atFirst = await fullSpeed(budget.measureMs * 3);
    const loadMs = budget.measureMs * TIMES_AS_LONG;
    await loadFor(loadMs / 3, atFirst);
    const third = await sizes(pool);
    await loadFor((loadMs * 2) / 3, atFirst);
    const atLast = await fullSpeed(budget.measureMs * 3);
    const end = await sizes(pool);
    return {
      atFirst,
      atLast,
      deadThird: third.dead,
      deadEnd: end.dead,
      sizeThird: third.megabytes,
      sizeEnd: end.megabytes,
    };
  }

  await fullSpeed(budget.warmUpMs);
  let sample: Sample = {};
  if (isHeld) {
    await inTransaction(pool, async (client) => {
      await client.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
      await client.query("SELECT txid_current()");
      sample = await measure();
    });
  } else sample = await measure();
  await bus.close();
  return sample;
}

interface Sizes {
  readonly dead: number;
  readonly megabytes: number;
}

/** The dead rows and the size of all tables with their indexes. */
async function sizes(pool: Pool): Promise<Sizes> {
  const [row] = await rowsOf<Sizes>(
    pool,
    `SELECT CAST(sum(n_dead_tup) AS float) AS dead,
      CAST(sum(pg_total_relation_size(relid)) AS float) / 1e6 AS megabytes
    FROM pg_stat_user_tables`,
  );
  return row ?? { dead: Number.NaN, megabytes: Number.NaN };
}

const FREE: BloatVariant = { label: "no other transaction", subscribers: 1, isHeld: false };
const HELD: BloatVariant = { label: "a transaction open", subscribers: 1, isHeld: true };
const { contestants } = postgresSides([FREE, HELD], measureBloat);

/** Does a queue keep its speed whose rows come and go, also while a transaction keeps PostgreSQL from tidying? */
export const question: Question = {
  title: "PostgreSQL: minutes at 70 % of the full speed, next to a transaction that stays open",
  unit: { type: "ns", per: "event" },
  metrics: [
    { id: "atFirst", label: "full speed before" },
    { id: "atLast", label: "full speed after" },
    { id: "deadThird", label: "dead rows after a third", unit: { type: "count" } },
    { id: "deadEnd", label: "dead rows at the end", unit: { type: "count" } },
    { id: "sizeThird", label: "size after a third", unit: { type: "MB" } },
    { id: "sizeEnd", label: "size at the end", unit: { type: "MB" } },
  ],
  contestants,
  comparisons: [
    {
      of: postgresId("busbar", HELD),
      to: postgresId("busbar", FREE),
      atLeast: 0.85,
      metric: "atLast",
    },
  ],
  needs: ["peers", "postgres"],
  maxRounds: 1,
};
