import { Deliveries } from "../deliveries.ts";
import { startPostgresServer } from "../postgres-server.ts";
import type { Budget, Comparison, Contestant, Sample } from "../question.ts";
import { openBusbarPostgres } from "./busbar-postgres.ts";
import { openGraphileWorkerBus } from "./graphile-worker.ts";
import { openPool, type Pool } from "./pg.ts";
import { openPgBossBus } from "./pg-boss.ts";
import type { OpenPostgresBus, PostgresBus, PostgresBusOptions } from "./postgres-bus.ts";

/** One way to ask a question. */
export interface PostgresVariant {
  /** What distinguishes it from others; may be empty where there is but one. */
  readonly label: string;
  readonly subscribers: number;
  /** How many times as fast as pg-boss the project wants to be. */
  readonly ofPgBoss?: number;
  /** How many times as fast as graphile-worker. */
  readonly ofGraphileWorker?: number;
}

/** What a measurement on PostgreSQL has at hand: a server of its own, and buses on it. */
export interface PostgresBusRun extends PostgresVariant {
  readonly budget: Budget;
  readonly url: string;
  /** Connections of the application. */
  readonly pool: Pool;
  readonly deliveries: Deliveries;
  /** The one who measures closes it. */
  readonly open: (role: PostgresBusOptions["role"]) => Promise<PostgresBus>;
}

/** Measures once. Its run fails unless each subscriber has handled each event once at the end. */
export type MeasurePostgresBus<Variant extends PostgresVariant = PostgresVariant> = (
  run: PostgresBusRun & Variant,
) => Promise<Sample>;

type Side = readonly [id: string, label: string, open: OpenPostgresBus];

const BUSBAR: Side = ["busbar", "Busbar", openBusbarPostgres];
const PEERS: readonly Side[] = [
  ["pg-boss", "pg-boss", openPgBossBus],
  ["graphile-worker", "graphile-worker", openGraphileWorkerBus],
];

/** Everybody on PostgreSQL, side by side in each variant; the others compared with Busbar. */
export function postgresSides<Variant extends PostgresVariant>(
  variants: readonly Variant[],
  measure: MeasurePostgresBus<Variant>,
): { readonly contestants: readonly Contestant[]; readonly comparisons: readonly Comparison[] } {
  return {
    contestants: variants.flatMap((variant) =>
      [BUSBAR, ...PEERS].map((side) => contestantOf(side, variant, measure)),
    ),
    comparisons: variants.flatMap((variant) =>
      PEERS.map(([side]) => {
        const { ofPgBoss, ofGraphileWorker } = variant;
        const atLeast = side === "pg-boss" ? ofPgBoss : ofGraphileWorker;
        const to = postgresId(side, variant);
        return { of: postgresId("busbar", variant), to, ...(atLeast !== undefined && { atLeast }) };
      }),
    ),
  };
}

/** The id of a contestant in a variant. */
export function postgresId(side: string, { label }: PostgresVariant): string {
  return label === "" ? side : `${side}, ${label}`;
}

/** Handles what is queued, so that it is counted. */
export async function handleQueued(
  { deliveries, open }: PostgresBusRun,
  events: number,
): Promise<{ readonly ms: number }> {
  const handled = deliveries.expect(events);
  const worker = await open("worker");
  const { firstAt, lastAt } = await handled;
  await worker.close();
  return { ms: lastAt - firstAt };
}

function contestantOf<Variant extends PostgresVariant>(
  [side, label, open]: Side,
  variant: Variant,
  measure: MeasurePostgresBus<Variant>,
): Contestant {
  return {
    id: postgresId(side, variant),
    label: postgresId(label, variant),
    measure: (budget) => measureOnPostgres(open, variant, budget, measure),
  };
}

async function measureOnPostgres<Variant extends PostgresVariant>(
  openBus: OpenPostgresBus,
  variant: Variant,
  budget: Budget,
  measure: MeasurePostgresBus<Variant>,
): Promise<Sample> {
  const { url, close } = await startPostgresServer();
  const pool = openPool(url);
  try {
    const deliveries = new Deliveries(variant.subscribers);
    const { handlers } = deliveries;
    const open = (role: PostgresBusOptions["role"]) => openBus({ url, handlers, role });
    const sample = await measure({ ...variant, budget, url, pool, deliveries, open });
    deliveries.verify();
    return sample;
  } finally {
    await pool.end();
    await close();
  }
}
