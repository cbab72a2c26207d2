import type { PgClient } from "@busbar/outbox";
import type { Order } from "../order.ts";
import { requirePeer } from "../peers.ts";
import type { OpenQueue } from "./transactional-queue.ts";

interface Database {
  executeSql(text: string, values: unknown[]): Promise<unknown>;
}

interface Job {
  readonly name: string;
  readonly data: Order;
}

type PgBossClass = new (options: { readonly connectionString: string }) => {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  createQueue(name: string): Promise<void>;
  insert(jobs: readonly Job[], options: { readonly db: Database }): Promise<unknown>;
  work(
    name: string,
    options: { readonly batchSize: number; readonly pollingIntervalSeconds: number },
    handler: (jobs: readonly Job[]) => Promise<void>,
  ): Promise<string>;
  notifyWorker(workerId: string): void;
  stop(options: { readonly graceful: true; readonly wait: true }): Promise<void>;
};

const QUEUE = "orders";
/** Jobs of one look. */
const BATCH = 1_000;
/** The shortest time between two looks that it allows. */
const POLL_SECONDS = 0.5;

/**
 * pg-boss with one worker, which looks again at once after a full batch.
 *
 * @param notify Whether the worker is told of a commit, by a call that reaches it in its own process only.
 */
export function openPgBoss(notify: boolean): OpenQueue {
  return async ({ url, handler }) => {
    const PgBoss = requirePeer<PgBossClass>("pg-boss");
    const boss = new PgBoss({ connectionString: url });
    boss.on("error", (error) => {
      throw error;
    });
    await boss.start();
    await boss.createQueue(QUEUE);
    let worker: string | undefined;
    const look = (): void => {
      if (worker !== undefined) boss.notifyWorker(worker);
    };
    return {
      table: "pgboss.job",
      add: (client, orders) =>
        boss.insert(
          orders.map((data) => ({ name: QUEUE, data })),
          { db: databaseOf(client) },
        ),
      async start() {
        const options = { batchSize: BATCH, pollingIntervalSeconds: POLL_SECONDS };
        worker = await boss.work(QUEUE, options, async (jobs) => {
          await Promise.all(jobs.map(({ data }) => handler(data)));
          if (jobs.length === BATCH) look();
        });
      },
      ...(notify && { committed: look }),
      close: () => boss.stop({ graceful: true, wait: true }),
    };
  };
}

function databaseOf(client: PgClient): Database {
  return { executeSql: (text, values) => client.query(text, values) };
}
