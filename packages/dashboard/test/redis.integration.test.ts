import { randomUUID } from "node:crypto";
import { createEventBus, type EventBusOptions } from "@busbar/core";
import { redisProvider } from "@busbar/redis";
import { expect, onTestFinished, test, vi } from "vitest";
import type { JobView, Overview } from "../src/contract/api.ts";
import { recorder } from "../src/recorder/recorder.ts";
import { startBoard } from "./support/board.ts";

const redisUrl = process.env["REDIS_URL"] ?? "";

test("a server shows and repairs on Redis what its workers could not handle", async () => {
  const shared: Partial<EventBusOptions> = { name: `dashboard-${randomUUID()}`, logger: false };
  let isBroken = true;
  const worker = createEventBus({
    ...shared,
    provider: redisProvider({ redisUrl }),
    role: "worker",
    plugins: [recorder()],
  });
  worker.subscribe(
    "order.placed",
    () => {
      if (isBroken) throw new Error("no stock");
    },
    { subscriberId: "stock" },
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
  await bus.settled();

  const overview = await vi.waitFor(
    async () => {
      const seen = (await client.get("/api/overview")).body as Overview;
      expect(seen.totals.dead).toBe(120);
      return seen;
    },
    { timeout: 5_000 },
  );
  expect(overview).toMatchObject({ provider: "redis", totals: { backlog: 0 } });
  expect(overview.guarantees.find(({ id }) => id === "durable")).toMatchObject({ holds: true });
  expect(overview.subscriptions).toMatchObject([
    { subscriberId: "stock", events: ["order.placed"], here: false, dead: 120 },
  ]);

  const { items } = (await client.get('/api/dead?subscriberId=stock&text="n":7}')).body;
  expect(items).toHaveLength(1);
  isBroken = false;
  const edited = await client.post(`/api/dead/stock/${items[0].id}/replay`, { data: { n: 0 } });
  expect(edited.body).toEqual({ count: 1 });
  const { body } = await client.post("/api/dead/replay", { where: { error: "no stock" } });
  await vi.waitFor(async () => {
    const job = (await client.get(`/api/jobs/${(body as JobView).id}`)).body as JobView;
    expect(job).toMatchObject({ state: "done", matched: 119, done: 119 });
  });
  await bus.settled();
  expect((await client.get("/api/dead?subscriberId=stock")).body).toMatchObject({ total: 0 });
});
