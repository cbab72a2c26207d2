import { type BusNotices, createEventBus } from "@busbar/core";
import { expect, onTestFinished, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { startRedisServer } from "./support/redis-server.ts";

test("a bus on Redis reports what happens to single and to grouped events, and of its state", async () => {
  const redis = await startRedisServer();
  onTestFinished(redis.stop);
  const bus = createEventBus({ provider: redisProvider({ redisUrl: redis.url }) });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  const heard: string[] = [];
  const hear = (name: keyof BusNotices, text: (notice: never) => string): void =>
    void bus.on(name, (notice) => void heard.push(`${name} ${text(notice as never)}`));
  hear("emitted", ({ event, subscriptions }: { event: { id: string }; subscriptions: number }) => {
    return `${event.id} ${subscriptions}`;
  });
  hear("unrouted", ({ event }: { event: { id: string } }) => event.id);
  for (const name of ["delivered", "failed", "dead"] as const) {
    hear(name, ({ event, attempt }: { event: { id: string }; attempt: number }) => {
      return `${event.id} ${attempt}`;
    });
  }
  hear("state", ({ status }: { status: string }) => status);
  bus.subscribe("ok", () => {}, { subscriberId: "ok" });
  bus.subscribe("bad", () => Promise.reject(new Error("no")), { subscriberId: "bad", attempts: 2 });

  await bus.start();
  await bus.emit({ id: "single", name: "ok", data: 1 });
  await bus.emit({ id: "grouped", name: "ok", data: 2, metadata: { eventGroupId: "g" } });
  await bus.releaseGroupedEvents("g");
  await bus.emit([
    { id: "unwanted", name: "none", data: 3 },
    { id: "poison", name: "bad", data: 4 },
  ]);
  await bus.settled();
  await bus.stop();
  expect(heard.toSorted()).toEqual([
    "dead poison 2",
    "delivered grouped 1",
    "delivered single 1",
    "emitted grouped 1",
    "emitted poison 1",
    "emitted single 1",
    "emitted unwanted 0",
    "failed poison 1",
    "failed poison 2",
    "state down",
    "state up",
    "unrouted unwanted",
  ]);
});
