import { randomUUID } from "node:crypto";
import { type EventBusOptions, createEventBus } from "@busbar/core";
import { type Clock, systemClock } from "@busbar/core/provider";
import { redisProvider } from "@busbar/redis";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Overview, SubscriptionView } from "../src/contract/api.ts";
import { recorder } from "../src/recorder/recorder.ts";
import { startBoard } from "./support/board.ts";

const redisUrl = process.env["REDIS_URL"] ?? "";

/** Instances report every 5 seconds: here, every twentieth of that. */
const hasty: Clock = {
  ...systemClock,
  setTimeout: (callback, delayMs, options) =>
    systemClock.setTimeout(callback, delayMs === 5_000 ? 250 : delayMs, options),
};

test("a server shows what its workers do, and pauses their subscriptions", async () => {
  const name = `dashboard-${randomUUID()}`;
  const shared: Partial<EventBusOptions> = { name, logger: false, clock: hasty };
  const worker = createEventBus({
    ...shared,
    provider: redisProvider({ redisUrl }),
    role: "worker",
    plugins: [recorder()],
  });
  worker.subscribe(
    "order.placed",
    () => {
      throw new Error("no stock");
    },
    { subscriberId: "stock", attempts: 1 },
  );
  onTestFinished(() => worker.stop({ graceMs: 0 }));
  await worker.start();
  const { bus, client } = await startBoard({
    ...shared,
    role: "server",
    provider: redisProvider({ redisUrl }),
  });
  const messages = Array.from({ length: 120 }, (_, n) => ({ name: "order.placed", data: { n } }));
  await bus.emit(messages);

  const overview = await vi.waitFor(
    async () => {
      const seen = (await client.get("/api/overview")).body as Overview;
      expect(seen.subscriptions[0]?.runs?.dead).toBe(120);
      return seen;
    },
    { timeout: 8_000 },
  );
  expect(overview.provider).toBe("redis");
  expect(new Map(overview.instances.map(({ role, here }) => [role, here]))).toEqual(
    new Map([
      ["server", true],
      ["worker", false],
    ]),
  );
  expect(overview.subscriptions).toMatchObject([
    { subscriberId: "stock", here: false, instances: 1, dead: 120, runs: { failed: 120 } },
  ]);
  expect(overview.guarantees.find(({ id }) => id === "durable")).toMatchObject({ holds: true });

  const paused = await client.post("/api/subscriptions/stock/pause", {});
  expect(paused.status).toBe(200);
  const [stock] = (await client.get("/api/subscriptions")).body.subscriptions as SubscriptionView[];
  expect(stock).toMatchObject({ pausedEverywhere: true });
  expect((await client.post("/api/subscriptions/stock/resume", {})).status).toBe(200);
});
