import { setTimeout } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import type { EventProvider } from "@busbar/core/provider";
import { Deliveries } from "../deliveries.ts";
import { EVENT_NAME, type Order } from "../order.ts";
import { OrderTally } from "../order-tally.ts";
import { startRedisServer } from "../redis-server.ts";
import { openBusbarRedis } from "./busbar-redis.ts";
import { rowsOf } from "./pg.ts";
import type { OpenQueue, QueueOptions, TransactionalQueue } from "./transactional-queue.ts";

const TABLE = "busbar_outbox";
const SUBSCRIBER = { subscriberId: "subscriber-0", concurrency: 10 } as const;

/** Busbar's outbox with its defaults, on `pg`; the relay hands over to a bus in this process. */
export const openOutboxIntoLocal: OpenQueue = async (options) => {
  const { localProvider } = await import("@busbar/local");
  return openOutbox(options, localProvider(), "shared");
};

/** The same, by way of a Redis of its own. */
export const openOutboxByRedis: OpenQueue = async (options) => {
  const { redisProvider } = await import("@busbar/redis");
  const redis = await startRedisServer();
  const queue = await openOutbox(options, redisProvider({ redisUrl: redis.url }), "shared");
  return {
    ...queue,
    async close() {
      await queue.close();
      await redis.close();
    },
  };
};

/**
 * The same into a Redis of its own, where nobody handles: handed over is what Redis has accepted. When
 * it is closed, a worker handles it all, and each event has to be there once.
 */
export const openOutboxIntoRedis: OpenQueue = async (options) => {
  const { redisProvider } = await import("@busbar/redis");
  const redis = await startRedisServer();
  const provider = redisProvider({ redisUrl: redis.url });
  let published = 0;
  const counting: EventProvider = {
    ...provider,
    async publish(envelopes, how) {
      const results = await provider.publish(envelopes, how);
      for (const [index, { data }] of envelopes.entries()) {
        if (results[index]?.status !== "accepted") continue;
        published += 1;
        await options.handler(data as unknown as Order);
      }
      return results;
    },
  };
  const queue = await openOutbox(options, counting, "server");
  return {
    ...queue,
    async close() {
      await queue.close();
      const deliveries = new Deliveries(1);
      const tally = new OrderTally();
      deliveries.onDelivery = (order) => tally.add(order);
      const handled = deliveries.expect(published);
      const { handlers } = deliveries;
      const { concurrency } = SUBSCRIBER;
      const worker = await openBusbarRedis({
        url: redis.url,
        handlers,
        concurrency,
        role: "worker",
      });
      await handled;
      await worker.close();
      await redis.close();
      deliveries.verify();
    },
  };
};

async function openOutbox(
  { pool, handler }: QueueOptions,
  provider: EventProvider,
  role: "server" | "shared",
): Promise<TransactionalQueue> {
  const { outbox, pgStore } = await import("@busbar/outbox");
  const plugin = outbox({ store: pgStore({ pool }) });
  const bus = createEventBus({ provider, plugins: [plugin], role });
  bus.subscribe<Order>(EVENT_NAME, ({ data }) => handler(data), SUBSCRIBER);
  await bus.start();
  await plugin.pause();
  return {
    table: TABLE,
    add: (client, orders) =>
      bus.withTransaction(client).emit(orders.map((data) => ({ name: EVENT_NAME, data }))),
    start: async () => plugin.resume(),
    async whenEmpty() {
      while ((await rowsOf(pool, `SELECT FROM ${TABLE} LIMIT 1`)).length > 0) await setTimeout(1);
    },
    close: () => bus.stop(),
  };
}
