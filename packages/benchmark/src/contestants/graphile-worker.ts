import type { Order } from "../order.ts";
import { requirePeer } from "../peers.ts";
import type { OpenQueue } from "./transactional-queue.ts";

interface GraphileWorkerModule {
  readonly Logger: new (factory: () => () => void) => object;
  readonly runMigrations: (options: object) => Promise<void>;
  readonly run: (options: {
    readonly connectionString: string;
    readonly concurrency: number;
    readonly maxPoolSize: number;
    readonly noHandleSignals: true;
    readonly logger: object;
    readonly taskList: Readonly<Record<string, (order: Order) => Promise<void>>>;
  }) => Promise<{ stop(): Promise<void> }>;
}

const TASK = "order";
/** As many as its own measurements have, and a connection for each of them. */
const CONCURRENCY = 24;

/** graphile-worker, which hears of commits by LISTEN. */
export const openGraphileWorker: OpenQueue = async ({ url: connectionString, handler }) => {
  const { Logger, run, runMigrations } = requirePeer<GraphileWorkerModule>("graphile-worker");
  const logger = new Logger(() => () => {});
  await runMigrations({ connectionString, logger });
  let runner: { stop(): Promise<void> } | undefined;
  return {
    table: "graphile_worker._private_jobs",
    add: (client, orders) =>
      client.query(
        `SELECT count(*) FROM graphile_worker.add_jobs(
          ARRAY(SELECT json_populate_recordset(null::graphile_worker.job_spec, $1::json)))`,
        [JSON.stringify(orders.map((payload) => ({ identifier: TASK, payload })))],
      ),
    async start() {
      runner = await run({
        connectionString,
        concurrency: CONCURRENCY,
        maxPoolSize: CONCURRENCY + 1,
        noHandleSignals: true,
        logger,
        taskList: { [TASK]: handler },
      });
    },
    close: async () => runner?.stop(),
  };
};
