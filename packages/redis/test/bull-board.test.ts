import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { createEventBus } from "@busbar/core";
import { Queue } from "bullmq";
import { afterEach, describe, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { queueName } from "../src/store/keys.ts";
import { eventually } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function server(): Promise<RedisServer> {
  const redis = await startRedisServer();
  ends.push(redis.stop);
  return redis;
}

/** What Bull Board asks about a queue. */
function boardOf({ port }: RedisServer, name: string): BullMQAdapter {
  const queue = new Queue(name, {
    prefix: "{busbar:shop}",
    connection: { host: "127.0.0.1", port },
  });
  ends.push(() => queue.close());
  return new BullMQAdapter(queue, { readOnlyMode: true });
}

describe("Bull Board", () => {
  test("opens queues by the ids of subscriptions", () => {
    expect(queueName("orders/send-receipt")).toBe("orders/send-receipt");
    expect(queueName("order.placed#anonymous")).toBe("order.placed#anonymous");
    // It finds no queue with a percent sign; BullMQ refuses colons; and no two ids share a queue.
    expect(["a:b", "a%b", "a~b", "~"].map(queueName)).toEqual(["a~.b", "a~pb", "a~~b", "~~"]);
  });

  test("shows waiting and delayed jobs, with readable names and data", async () => {
    const redis = await server();
    const provider = redisProvider({ redisUrl: redis.url });
    const bus = createEventBus({ name: "shop", role: "server", provider });
    ends.push(() => bus.stop());
    bus.subscribe("order.*", () => {}, { subscriberId: "orders/send-receipt" });
    await bus.start();
    const [first] = await bus.emit([
      { name: "order.placed", data: { orderId: "42" } },
      { name: "order.placed", data: { orderId: "43" } },
      { name: "order.shipped", data: { orderId: "41" } },
    ]);
    await bus.emit("order.reminded", { orderId: "40" }, { delay: 60_000 });

    const board = boardOf(redis, "orders/send-receipt");
    expect(await board.getJobCounts()).toMatchObject({ prioritized: 1, delayed: 1, failed: 0 });
    const [pack] = await board.getJobs(["prioritized"]);
    expect(pack?.name).toBe("order.placed +2");
    expect(pack?.data).toMatchObject({
      subscription: "orders/send-receipt",
      events: [
        { id: first, data: { orderId: "42" } },
        { data: { orderId: "43" } },
        { name: "order.shipped", data: { orderId: "41" } },
      ],
      name: "order.placed",
    });
    const [delayed] = await board.getJobs(["delayed"]);
    expect(delayed?.name).toBe("order.reminded");
    expect(delayed?.data).toMatchObject({ events: [{ data: { orderId: "40" } }] });
    expect(delayed?.opts.priority).toBe(100);
  });

  test("shows the job in hand, its worker, and completed jobs if they are kept", async () => {
    const redis = await server();
    const jobOptions = { removeOnComplete: { count: 10 } };
    const provider = redisProvider({ redisUrl: redis.url, jobOptions });
    const bus = createEventBus({ name: "shop", provider });
    ends.push(() => bus.stop());
    let end = (): void => {};
    const isOver = new Promise<void>((resolve) => (end = resolve));
    bus.subscribe("order.placed", () => isOver, { subscriberId: "audit" });
    await bus.start();
    await bus.emit("order.placed", { orderId: "42" });

    const board = boardOf(redis, "audit");
    await eventually(async () => expect(await board.getJobCounts()).toMatchObject({ active: 1 }));
    expect(await board.getWorkers()).toHaveLength(1);
    end();
    await eventually(async () =>
      expect(await board.getJobCounts()).toMatchObject({ active: 0, completed: 1 }),
    );
    const [completed] = await board.getJobs(["completed"]);
    expect(completed?.name).toBe("order.placed");
    expect(completed?.data).toMatchObject({ events: [{ data: { orderId: "42" } }] });
  });

  test("pauses a subscription everywhere, and resumes it", async () => {
    const redis = await server();
    const bus = createEventBus({
      name: "shop",
      provider: redisProvider({ redisUrl: redis.url, workerOptions: { drainDelay: 0.2 } }),
    });
    ends.push(() => bus.stop());
    const seen: unknown[] = [];
    bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId: "audit" });
    await bus.start();

    const board = boardOf(redis, "audit");
    await board.pause();
    await bus.emit("order.placed", 1);
    const { subscriptions } = await bus.inspect();
    expect(subscriptions).toMatchObject([{ subscriptionId: "audit", ready: 1, inFlight: 0 }]);
    expect(seen).toEqual([]);
    await board.resume();
    await eventually(() => expect(seen).toEqual([1]));
  });
});
