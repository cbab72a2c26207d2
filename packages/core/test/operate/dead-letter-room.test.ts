import { describe, expect, test } from "vitest";
import { PermanentError } from "../../src/errors/errors.ts";
import { memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

describe("drain()", () => {
  test("drops no dead letter: refuses what dead letters have no room for", async () => {
    const { bus, clock, logger } = await startTestBus({
      deadLetters: { maxPerSubscription: 3, maxAgeMs: 1_000 },
    });
    bus.subscribe("a", () => Promise.reject(new PermanentError("no")), { subscriberId: "mail" });
    await bus.emit([1, 2].map((data) => ({ name: "a", data })));
    await bus.settled();
    await bus.pause("mail");
    await bus.emit([3, 4].map((data) => ({ name: "a", data })));
    await expect(bus.drain("mail")).rejects.toMatchObject({
      code: "BUSBAR_CONFLICT",
      message: expect.stringMatching(/2 pending .* has 2 dead letters and keeps at most 3\. Use/),
      details: { kind: "subscription", id: "mail", waiting: 2, dead: 2, maxPerSubscription: 3 },
    });
    expect((await bus.waiting("mail")).items).toHaveLength(2);
    // What is too old leaves, and makes room.
    await clock.advance(1_001);
    expect(await bus.drain("mail")).toBe(2);
    const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
    expect(items.map(({ event }) => event.data)).toEqual([3, 4]);
    expect(logger.at("warn").filter(({ message }) => /dropped/.test(message))).toMatchObject([
      { fields: { subscriberId: "mail", count: 2 } },
    ]);
  });
});

describe("retire()", () => {
  /** A subscription of "a" and "b" with 3 events of "a" and 1 of "b" that wait, where 2 dead letters are kept. */
  async function startFull() {
    const { bus, clock } = await startTestBus({ deadLetters: { maxPerSubscription: 2 } });
    const seen: unknown[] = [];
    bus.subscribe(["a", "b"], ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.pause("mail");
    await bus.emit([
      { name: "a", data: 1 },
      { name: "b", data: 2 },
      { name: "a", data: 3 },
      { name: "a", data: 4 },
    ]);
    return { bus, clock, seen };
  }

  test("changes nothing if dead letters have no room for what waits", async () => {
    const { bus, clock, seen } = await startFull();
    await expect(bus.retire("mail")).rejects.toMatchObject({
      code: "BUSBAR_CONFLICT",
      details: { kind: "subscription", id: "mail", waiting: 4, dead: 0, maxPerSubscription: 2 },
    });
    await expect(bus.retire("mail", { events: ["a"] })).rejects.toMatchObject({
      details: { waiting: 3 },
    });
    await bus.emit("b", 5);
    await bus.resume("mail");
    await clock.advance(0);
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  test("counts those of the retired events only", async () => {
    const { bus, clock, seen } = await startFull();
    expect(await bus.retire("mail", { events: ["b"] })).toBe(1);
    const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
    expect(items).toMatchObject([{ reason: "retired", event: { data: 2 } }]);
    await bus.resume("mail");
    await clock.advance(0);
    expect(seen).toEqual([1, 3, 4]);
  });

  test("finishes what an earlier retirement has left", async () => {
    const { bus } = await startFull();
    expect(await bus.retire("mail", { backlog: "keep" })).toBe(0);
    await expect(bus.retire("mail")).rejects.toMatchObject({ code: "BUSBAR_CONFLICT" });
    expect(await bus.drain("mail", { backlog: "discard" })).toBe(4);
    await expect(bus.retire("mail")).rejects.toMatchObject({ code: "BUSBAR_NOT_FOUND" });
  });

  test("leaves room to the provider where nobody can say how many deliveries are meant", async () => {
    const inner = memoryProvider();
    const { listWaiting, ...admin } = inner.admin;
    expect(listWaiting).toBeDefined();
    const provider = providerLike(inner, { admin });
    const { bus } = await startTestBus({ provider, deadLetters: { maxPerSubscription: 2 } });
    bus.subscribe(["a", "b"], () => {}, { subscriberId: "mail" });
    await bus.pause("mail");
    await bus.emit([1, 2, 3].map((data) => ({ name: "a", data })));
    expect(await bus.retire("mail", { events: ["a"] })).toBe(2);
    const [stats] = (await bus.inspect()).subscriptions;
    expect(stats).toMatchObject({ ready: 1, dead: 2 });
  });
});
