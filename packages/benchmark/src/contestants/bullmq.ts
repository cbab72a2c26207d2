import { EVENT_NAME, type Order } from "../order.ts";
import { requirePeer } from "../peers.ts";
import { connectToRedis } from "./ioredis.ts";
import type { RedisBus, RedisBusOptions } from "./redis-bus.ts";

interface Job {
  readonly name: string;
  readonly data: Order;
  readonly opts: { readonly removeOnComplete: true };
}

interface BullMqModule {
  readonly Queue: new (
    name: string,
    options: object,
  ) => {
    add(name: string, data: Order, options: object): Promise<unknown>;
    addBulk(jobs: readonly Job[]): Promise<unknown>;
    close(): Promise<void>;
  };
  readonly Worker: new (
    name: string,
    processor: (job: Job) => Promise<void>,
    options: object,
  ) => {
    waitUntilReady(): Promise<unknown>;
    close(): Promise<void>;
  };
}

/**
 * BullMQ as its documentation shows it: one job is one event for one subscriber. Each subscriber has
 * a queue of its own, and the queues are added to at the same time, in steps apart: a crash in
 * between leaves an event with some of its subscribers.
 */
export async function openBullMq({
  url,
  handlers,
  concurrency,
  role,
}: RedisBusOptions): Promise<RedisBus> {
  const { Queue, Worker } = requirePeer<BullMqModule>("bullmq");
  const connection = connectToRedis(url);
  const queues = handlers.map((_, index) => new Queue(`subscriber-${index}`, { connection }));
  const workers =
    role === "server"
      ? []
      : handlers.map(
          (handler, index) =>
            new Worker(`subscriber-${index}`, ({ data }) => handler(data), {
              connection,
              concurrency,
            }),
        );
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  const opts = { removeOnComplete: true } as const;
  return {
    emitOne: (data) => Promise.all(queues.map((queue) => queue.add(EVENT_NAME, data, opts))),
    emitMany: (orders) => {
      const jobs = orders.map((data) => ({ name: EVENT_NAME, data, opts }));
      return Promise.all(queues.map((queue) => queue.addBulk(jobs)));
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()));
      await Promise.all(queues.map((queue) => queue.close()));
      connection.disconnect();
    },
  };
}
