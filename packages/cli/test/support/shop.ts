import { createEventBus, type EventBus, type EventBusOptions } from "@busbar/core";
import { redisProvider } from "@busbar/redis";
import { onTestFinished } from "vitest";

/** Gives this test a namespace of its own on the Redis of the run. The project `shop` is in the same one. */
export function useShop(): string {
  const name = `cli-${crypto.randomUUID().slice(0, 8)}`;
  process.env["BUSBAR_TEST_NAME"] = name;
  return name;
}

/** Starts the process of an application, which is stopped when the test is over. */
export async function startShop(
  name: string,
  subscribe: (bus: EventBus) => void,
  options: Partial<EventBusOptions> = {},
): Promise<EventBus> {
  const provider = redisProvider({ redisUrl: process.env["REDIS_URL"]! });
  const bus = createEventBus({ name, provider, logger: false, ...options });
  onTestFinished(() => bus.stop({ graceMs: 500 }));
  subscribe(bus);
  await bus.start();
  return bus;
}
