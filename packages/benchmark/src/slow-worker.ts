// Handles events that take a while, for a question that needs several processes, and says so to the
// parent process.
import { setTimeout } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { redisProvider } from "@busbar/redis";
import { EVENT_NAME, type Order } from "./order.ts";

const [redisUrl, handlerMs, concurrency, maxEvents] = process.argv.slice(2);
const provider = redisProvider({
  redisUrl: String(redisUrl),
  batch: { maxEvents: Number(maxEvents) },
});
const bus = createEventBus({ provider, role: "worker" });
bus.subscribe<Order>(
  EVENT_NAME,
  async () => {
    await setTimeout(Number(handlerMs));
    process.send?.("handled");
  },
  { subscriberId: "slow", concurrency: Number(concurrency) },
);
process.once("message", () => void bus.stop().finally(() => process.exit()));
await bus.start();
process.send?.("ready");
