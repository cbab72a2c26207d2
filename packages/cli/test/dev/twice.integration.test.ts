import { createEventBus } from "@busbar/core";
import { redisProvider } from "@busbar/redis";
import { expect, onTestFinished, test } from "vitest";
import { createRepeater } from "../../src/dev/twice.ts";

test("all parts of a durable provider work while it delivers twice", async () => {
  const { wrap } = createRepeater();
  const provider = wrap(redisProvider({ redisUrl: process.env["REDIS_URL"]! }));
  const name = `cli-${crypto.randomUUID().slice(0, 8)}`;
  const bus = createEventBus({ name, provider, logger: false });
  onTestFinished(() => bus.stop({ graceMs: 500 }));
  const runs: string[] = [];
  bus.subscribe<string>(
    "order.*",
    ({ name: event, data }) => {
      runs.push(`${event} ${data}`);
      if (runs.length === 2) throw new Error("not safe to repeat");
    },
    { subscriberId: "mail" },
  );
  await bus.start();
  await bus.emit("order.placed", "1");
  await bus.settled();
  // The second delivery decides what becomes of the event.
  expect(runs).toEqual(["order.placed 1", "order.placed 1"]);
  expect((await bus.deadLetters.list()).items).toHaveLength(1);
  await bus.deadLetters.replay("mail");
  await bus.emit({ name: "order.paid", data: "2", metadata: { eventGroupId: "group" } });
  await bus.releaseGroupedEvents("group");
  await bus.settled();
  expect(runs.slice(2).toSorted()).toEqual([
    "order.paid 2",
    "order.paid 2",
    "order.placed 1",
    "order.placed 1",
  ]);
  const { subscriptions } = await bus.inspect();
  expect(subscriptions).toMatchObject([{ subscriberId: "mail", dead: 0 }]);
  expect((await bus.health()).status).toBe("up");
});
