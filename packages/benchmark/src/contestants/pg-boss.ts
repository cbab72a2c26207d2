import { startBoss } from "./boss.ts";
import type { OpenPostgresBus } from "./postgres-bus.ts";
import type { OpenQueue } from "./transactional-queue.ts";

const QUEUE = "orders";

/**
 * pg-boss with one worker, whose transactions are the caller's.
 *
 * @param notify Whether the worker is told of a commit, by a call that reaches it in its own process only.
 */
export function openPgBoss(notify: boolean): OpenQueue {
  return async ({ url, handler }) => {
    const boss = await startBoss(url, false);
    await boss.createQueue(QUEUE);
    return {
      table: "pgboss.job",
      add: (client, orders) => boss.insert(QUEUE, orders, client),
      start: () => boss.work(QUEUE, handler),
      ...(notify && { committed: () => boss.look(QUEUE) }),
      close: () => boss.close(),
    };
  };
}

/**
 * pg-boss as its documentation shows it: each subscriber has a queue of its own, and the queues are added to at the same
 * time. Workers are notified of jobs, by PostgreSQL where the release can do that, else by a call in the process.
 */
export const openPgBossBus: OpenPostgresBus = async ({ url, handlers, role }) => {
  const boss = await startBoss(url, true);
  const queues = handlers.map((_, index) => `subscriber-${index}`);
  for (const queue of queues) await boss.createQueue(queue);
  if (role !== "server") {
    for (const [index, handler] of handlers.entries()) {
      await boss.work(queues[index] as string, handler);
    }
  }
  const committed = (): void => {
    for (const queue of queues) boss.look(queue);
  };
  const addTo = async (add: (queue: string) => Promise<unknown>): Promise<void> => {
    await Promise.all(queues.map(add));
    if (!boss.canListen) committed();
  };
  return {
    emitOne: (order) => addTo((queue) => boss.send(queue, order)),
    emitMany: (orders) => addTo((queue) => boss.insert(queue, orders)),
    async emitWithin(client, order) {
      for (const queue of queues) await boss.insert(queue, [order], client);
    },
    ...(!boss.canListen && { committed }),
    close: () => boss.close(),
  };
};
