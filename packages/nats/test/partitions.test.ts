import { createEventBus } from "@busbar/core";
import { expect, test } from "vitest";
import { natsProvider } from "../src/index.ts";

const EVENTS = 400;

/** @see The requests of several partitions once waited for each other for ever. */
test.for([
  [1, 4],
  [10, 3],
  [50, 4],
] as const)("runs %i deliveries at most from %i partitions", async ([concurrency, partitions]) => {
  const bus = createEventBus({
    name: `partitions-${crypto.randomUUID()}`,
    provider: natsProvider({ servers: process.env["NATS_URL"], partitions }),
  });
  const runs = new Map<unknown, number>();
  let running = 0;
  let most = 0;
  const all = new Promise<void>((resolve) => {
    bus.subscribe(
      "order.placed",
      async ({ data }) => {
        most = Math.max(most, ++running);
        await new Promise((done) => setImmediate(done));
        running -= 1;
        runs.set(data, (runs.get(data) ?? 0) + 1);
        if (runs.size === EVENTS) resolve();
      },
      { subscriberId: "mail", concurrency },
    );
  });
  await bus.start();
  const messages = Array.from({ length: EVENTS }, (_, data) => ({ name: "order.placed", data }));
  for (let from = 0; from < EVENTS; from += 50) await bus.emit(messages.slice(from, from + 50));
  await all;
  await bus.stop({ graceMs: 1_000 });
  expect(most).toBeLessThanOrEqual(concurrency);
  expect([...runs.values()].every((times) => times === 1)).toBe(true);
});
