import type { PgClient } from "@busbar/outbox";
import type { Order } from "../order.ts";
import { requirePeer } from "../peers.ts";

interface Database {
  executeSql(text: string, values: unknown[]): Promise<unknown>;
}

interface InsertOptions {
  readonly db?: Database;
}

interface Job {
  readonly name: string;
  readonly data: Order;
}

interface PgBoss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  createQueue(name: string, options: object): Promise<void>;
  send(name: string, data: Order, options?: InsertOptions): Promise<unknown>;
  /** Of pg-boss 10. */
  insert(jobs: readonly Job[], options?: InsertOptions): Promise<unknown>;
  /** Of newer ones. */
  insert(
    name: string,
    jobs: readonly Pick<Job, "data">[],
    options?: InsertOptions,
  ): Promise<unknown>;
  work(
    name: string,
    options: object,
    handler: (jobs: readonly Job[]) => Promise<void>,
  ): Promise<string>;
  notifyWorker(workerId: string): void;
  stop(options: { readonly graceful: true; readonly wait: true }): Promise<void>;
}

type PgBossClass = new (options: object) => PgBoss;

/** Jobs of one look. */
const BATCH = 1_000;
/** The shortest time between two looks that it allows. */
const POLL_SECONDS = 0.5;

/** pg-boss, whichever release this Node runs: 10, or the newest. */
export interface Boss {
  /** Whether it can have PostgreSQL notify workers of jobs, which pg-boss 10 cannot. */
  readonly canListen: boolean;
  createQueue(name: string): Promise<void>;
  send(name: string, order: Order): Promise<unknown>;
  /** Adds jobs in one call, in the transaction that a client is in if there is one. */
  insert(name: string, orders: readonly Order[], client?: PgClient): Promise<unknown>;
  /** Begins to handle a queue. It looks again at once after a full batch. */
  work(name: string, handler: (order: Order) => Promise<void>): Promise<void>;
  /** Has the worker of a queue look for jobs at once. The worker must be in this process. */
  look(name: string): void;
  close(): Promise<void>;
}

/** @param listen Whether PostgreSQL notifies the workers of new jobs, if the release can do that. */
export async function startBoss(connectionString: string, listen: boolean): Promise<Boss> {
  const loaded = requirePeer<PgBossClass | { readonly PgBoss: PgBossClass }>("pg-boss");
  const canListen = "PgBoss" in loaded;
  const PgBoss = canListen ? loaded.PgBoss : loaded;
  const boss = new PgBoss({ connectionString, useListenNotify: canListen && listen });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  const workers = new Map<string, string>();
  function look(name: string): void {
    const worker = workers.get(name);
    if (worker !== undefined) boss.notifyWorker(worker);
  }
  return {
    canListen,
    createQueue: (name) => boss.createQueue(name, { name, ...(canListen && { notify: listen }) }),
    send: (name, order) => boss.send(name, order),
    insert(name, orders, client) {
      const options = client === undefined ? {} : { db: databaseOf(client) };
      return canListen
        ? boss.insert(
            name,
            orders.map((data) => ({ data })),
            options,
          )
        : boss.insert(
            orders.map((data) => ({ name, data })),
            options,
          );
    },
    async work(name, handler) {
      const options = {
        batchSize: BATCH,
        pollingIntervalSeconds: POLL_SECONDS,
        burstWhenBatchFull: true,
      };
      const worker = await boss.work(name, options, async (jobs) => {
        await Promise.all(jobs.map(({ data }) => handler(data)));
        if (!canListen && jobs.length === BATCH) look(name);
      });
      workers.set(name, worker);
    },
    look,
    close: () => boss.stop({ graceful: true, wait: true }),
  };
}

function databaseOf(client: PgClient): Database {
  return { executeSql: (text, values) => client.query(text, values) };
}
