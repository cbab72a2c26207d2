import type { PgClient } from "@busbar/outbox";
import type { Order } from "../order.ts";
import { requirePeer } from "../peers.ts";
import type { OpenPostgresBus } from "./postgres-bus.ts";
import type { OpenQueue } from "./transactional-queue.ts";

type TaskList = Readonly<Record<string, (order: Order) => Promise<void>>>;

interface Job {
  readonly identifier: string;
  readonly payload: Order;
}

interface GraphileWorkerModule {
  readonly Logger: new (factory: () => () => void) => object;
  readonly runMigrations: (options: object) => Promise<void>;
  readonly run: (options: {
    readonly preset: { readonly worker: object };
    readonly noHandleSignals: true;
    readonly taskList: TaskList;
  }) => Promise<{ stop(): Promise<void> }>;
  readonly makeWorkerUtils: (options: object) => Promise<{
    addJob(identifier: string, payload: Order): Promise<unknown>;
    withPgClient(work: (client: PgClient) => Promise<unknown>): Promise<unknown>;
    release(): Promise<void>;
  }>;
}

const TASK = "order";
/** As many as its own measurements have, and a connection for each of them. */
const CONCURRENCY = 24;
/** The settings of its own measurements. Releases before 0.17 ignore those of batches. */
const BATCHES = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

/** graphile-worker, which hears of commits by LISTEN. */
export const openGraphileWorker: OpenQueue = async ({ url, handler }) => {
  await migrate(url);
  let runner: { stop(): Promise<void> } | undefined;
  return {
    table: "graphile_worker._private_jobs",
    add: (client, orders) => addJobs(client, jobsOf(orders, [TASK])),
    async start() {
      runner = await run(url, { [TASK]: handler });
    },
    close: async () => runner?.stop(),
  };
};

/** graphile-worker with a job for each event and subscriber. One statement adds them all. */
export const openGraphileWorkerBus: OpenPostgresBus = async ({ url, handlers, role }) => {
  await migrate(url);
  const { makeWorkerUtils } = load();
  const utils = await makeWorkerUtils({ connectionString: url, logger: silentLogger() });
  const tasks = handlers.map((_, index) => `subscriber-${index}`);
  const runner =
    role === "server"
      ? undefined
      : await run(
          url,
          Object.fromEntries(handlers.map((handler, index) => [`subscriber-${index}`, handler])),
        );
  const emitMany = (orders: readonly Order[]) =>
    utils.withPgClient((client) => addJobs(client, jobsOf(orders, tasks)));
  const [onlyTask] = tasks.length === 1 ? tasks : [];
  return {
    emitOne: (order) =>
      onlyTask === undefined ? emitMany([order]) : utils.addJob(onlyTask, order),
    emitMany,
    emitWithin: (client, order) => addJobs(client, jobsOf([order], tasks)),
    async close() {
      await runner?.stop();
      await utils.release();
    },
  };
};

function load(): GraphileWorkerModule {
  return requirePeer<GraphileWorkerModule>("graphile-worker");
}

function silentLogger(): object {
  return new (load().Logger)(() => () => {});
}

function migrate(connectionString: string): Promise<void> {
  return load().runMigrations({ connectionString, logger: silentLogger() });
}

function run(connectionString: string, taskList: TaskList): Promise<{ stop(): Promise<void> }> {
  const worker = {
    connectionString,
    concurrentJobs: CONCURRENCY,
    maxPoolSize: CONCURRENCY + 1,
    logger: silentLogger(),
    ...BATCHES,
  };
  return load().run({ preset: { worker }, noHandleSignals: true, taskList });
}

function jobsOf(orders: readonly Order[], tasks: readonly string[]): readonly Job[] {
  return orders.flatMap((payload) => tasks.map((identifier) => ({ identifier, payload })));
}

/** Adds jobs in one statement, which the release for Node 20 has no function for. */
function addJobs(client: PgClient, jobs: readonly Job[]): Promise<unknown> {
  return client.query(
    `SELECT count(*) FROM graphile_worker.add_jobs(
      ARRAY(SELECT json_populate_recordset(null::graphile_worker.job_spec, $1::json)))`,
    [JSON.stringify(jobs)],
  );
}
