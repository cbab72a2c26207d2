// Handles every event of a bus, and reports each run to its parent before the delivery is acknowledged.
import { setTimeout as sleep } from "node:timers/promises";
import { createEventBus } from "@busbar/core";
import { natsProvider } from "../../src/nats-provider.ts";

const { name, options, subscriptions } = JSON.parse(process.argv[2] ?? "{}");

function report(message: unknown): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, {}, () => resolve()));
}

const bus = createEventBus({ name, provider: natsProvider(options), role: "worker" });
for (const subscriberId of subscriptions) {
  const handler = async ({ data }: { readonly data: number }): Promise<void> => {
    // So that something is in flight whenever something breaks.
    if (data % 10 === 0) await sleep(20);
    await report([subscriberId, data]);
  };
  bus.subscribe<number>("order.placed", handler, { subscriberId, concurrency: 20 });
}
process.once("disconnect", () => process.exit());
await bus.start();
await report("ready");
