import { createEventBus, type EventBus, type WaitingEvent } from "@busbar/core";
import { randomUUID } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { eventually } from "./support/eventually.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

async function createBus(name: string): Promise<EventBus> {
  const { options } = await open();
  const provider = redisProvider({ redisUrl: options.source as string });
  const bus = createEventBus({ provider, name, logger: false });
  onTestFinished(() => bus.stop({ graceMs: 100 }));
  return bus;
}

/** A bus with a paused subscription. */
async function startPaused(ordering: "none" | "key" = "none"): Promise<EventBus> {
  const bus = await createBus(`operate-${randomUUID()}`);
  bus.subscribe("order.placed", () => {}, { subscriberId: "mail", ordering });
  bus.subscribe("order.placed", () => {}, { subscriberId: "ledger" });
  await bus.start();
  await bus.pause("mail");
  return bus;
}

async function allWaiting(bus: EventBus, limit: number): Promise<readonly WaitingEvent[]> {
  const items: WaitingEvent[] = [];
  let cursor: string | undefined;
  do {
    const page = await bus.waiting("mail", { limit, cursor });
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return items;
}

function numbers(count: number, from = 0): { name: string; data: number }[] {
  return Array.from({ length: count }, (_, index) => ({
    name: "order.placed",
    data: from + index,
  }));
}

describe("waiting()", () => {
  test("opens packs, also those that are stored once for several subscriptions", async () => {
    const bus = await startPaused();
    await bus.emit(numbers(120));
    await bus.emit("order.placed", "urgent", { priority: "high" });
    await bus.emit("order.placed", "late", { delay: 60_000 });
    const items = await allWaiting(bus, 50);
    expect(items.map(({ event }) => event.data)).toEqual([
      "urgent",
      ...Array.from({ length: 120 }, (_, index) => index),
      "late",
    ]);
    expect(items.at(-1)).toMatchObject({ state: "delayed", dueAt: expect.any(Date) as Date });
    expect(items[0]).toMatchObject({ state: "ready" });
    expect(new Set(items.map(({ id }) => id)).size).toBe(122);
  });

  test("answers a page and a look-up within 300 ms where 10 000 wait", async () => {
    const bus = await startPaused();
    const ids: string[] = [];
    for (let from = 0; from < 10_000; from += 1_000) {
      ids.push(...(await bus.emit(numbers(1_000, from))));
    }
    // The best of three, for a machine that is busy with other tests.
    const best = async (work: () => Promise<unknown>): Promise<number> => {
      const times: number[] = [];
      for (let run = 0; run < 3; run += 1) {
        const from = performance.now();
        await work();
        times.push(performance.now() - from);
      }
      return Math.min(...times);
    };
    const pageMs = await best(async () => {
      expect((await bus.waiting("mail")).items).toHaveLength(100);
    });
    const lookUpMs = await best(async () => {
      const { items } = await bus.waiting("mail", { eventId: ids[9_876]! });
      expect(items).toMatchObject([{ event: { id: ids[9_876], data: 9_876 } }]);
    });
    expect(pageMs).toBeLessThan(300);
    expect(lookUpMs).toBeLessThan(300);
  });

  test("shows which deliveries of a key wait behind another", async () => {
    const bus = await startPaused("key");
    for (const data of [1, 2, 3]) await bus.emit("order.placed", data, { orderingKey: "k" });
    await bus.emit("order.placed", 4, { orderingKey: "other" });
    const items = await allWaiting(bus, 2);
    expect(items.map(({ event, state }) => [event.data, state])).toEqual([
      [1, "ready"],
      [2, "blocked"],
      [3, "blocked"],
      [4, "ready"],
    ]);
    await expect(bus.waiting("mail", { cursor: "nonsense" })).rejects.toThrow(TypeError);
  });
});

describe("drain()", () => {
  test("makes dead letters of what waits, with their errors, and of nothing else", async () => {
    const bus = await createBus(`operate-${randomUUID()}`);
    const seen: unknown[] = [];
    bus.subscribe(
      "order.placed",
      ({ data }) => {
        if (data === "fails") throw new Error("busy");
        seen.push(data);
      },
      { subscriberId: "mail", attempts: 2, backoff: 60_000 },
    );
    bus.subscribe("order.placed", () => {}, { subscriberId: "ledger" });
    await bus.start();
    await bus.emit("order.placed", "fails");
    await eventually(async () => expect((await bus.waiting("mail")).items).toHaveLength(1));
    await bus.pause("mail");
    await bus.emit(numbers(60));
    await bus.emit("order.placed", "late", { delay: 60_000 });
    expect(await bus.drain("mail")).toBe(62);
    expect((await bus.waiting("mail")).items).toEqual([]);
    const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
    expect(items).toHaveLength(62);
    expect(new Set(items.map(({ reason }) => reason))).toEqual(new Set(["drained"]));
    const failed = items.find(({ event }) => event.data === "fails");
    expect(failed).toMatchObject({ attempts: 1, errors: [{ message: "busy" }] });
    await bus.resume("mail");
    await bus.emit("order.placed", "next");
    await eventually(() => expect(seen).toEqual(["next"]));
  });
});

describe("a retirement", () => {
  test("keeps the errors of a delivery that waited for a retry", async () => {
    const bus = await createBus(`operate-${randomUUID()}`);
    bus.subscribe("order.placed", () => Promise.reject(new Error("busy")), {
      subscriberId: "mail",
      attempts: 2,
      backoff: 60_000,
    });
    await bus.start();
    await bus.emit("order.placed", 1);
    await eventually(async () => expect((await bus.waiting("mail")).items).toHaveLength(1));
    await bus.retire("mail");
    const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
    expect(items).toMatchObject([{ reason: "retired", errors: [{ message: "busy" }] }]);
  });
});

describe("several processes", () => {
  test("see each other, what happens, and what is paused", async () => {
    const name = `operate-${randomUUID()}`;
    const [one, other] = [await createBus(name), await createBus(name)];
    one.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    other.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    await one.start();
    const controller = new AbortController();
    const types = new Set<string>();
    const tailed = (async () => {
      for await (const entry of one.tail({ signal: controller.signal })) types.add(entry.type);
    })();
    await eventually(async () => {
      // The other one is told with its first report.
      await one.emit("order.placed", 0);
      expect(types.size).toBeGreaterThan(0);
    });
    await other.start();
    const { instances } = await one.inspect();
    expect(instances.map(({ here, versions }) => [here, Object.keys(versions)])).toEqual([
      [true, ["node", "@busbar/core", "@busbar/redis"]],
      [false, ["node", "@busbar/core", "@busbar/redis"]],
    ]);
    await one.pause("mail", { everywhere: true });
    await one.stop();
    await tailed;
    const { subscriptions, instances: left } = await other.inspect();
    expect(left).toHaveLength(1);
    expect(subscriptions).toMatchObject([{ subscriberId: "mail", pausedEverywhere: true }]);
    const [explained] = (await other.explain("order.placed")).subscriptions;
    expect(explained).toMatchObject({ queue: "mail", paused: true, instances: 1 });
    await other.resume("mail", { everywhere: true });
    expect((await other.inspect()).subscriptions[0]?.pausedEverywhere).toBe(false);
    controller.abort();
  });

  test("forget with a retired subscription that it was paused", async () => {
    const bus = await startPaused();
    await bus.pause("mail", { everywhere: true });
    await bus.retire("mail");
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    await eventually(async () => {
      const known = (await bus.inspect()).subscriptions.find((it) => it.subscriberId === "mail");
      expect(known).toMatchObject({ here: true, pausedEverywhere: false });
    });
  });
});
