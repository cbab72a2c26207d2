import { describe, expect, test } from "vitest";
import { idle } from "../support/manual-clock.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

describe("cancel()", () => {
  test("cancels what is delayed, ready or waits for a retry, of every subscription", async () => {
    const { bus, clock } = await startTestBus();
    const seen: string[] = [];
    const fails = { subscriberId: "fails", attempts: 2, backoff: 1_000 };
    bus.subscribe("late", () => void seen.push("late"), { subscriberId: "mail" });
    bus.subscribe("ready", () => void seen.push("ready"), { subscriberId: "paused" });
    bus.subscribe(
      "fails",
      () => {
        seen.push("fails");
        throw new Error("no");
      },
      fails,
    );
    await bus.pause("paused");
    const [late] = await bus.emit("late", {}, { delay: 5_000 });
    const [ready] = await bus.emit("ready", {});
    const [retried] = await bus.emit("fails", {});
    await idle();
    expect(seen).toEqual(["fails"]);
    expect(await bus.cancel(late)).toBe(1);
    expect(await bus.cancel(ready)).toBe(1);
    expect(await bus.cancel(retried)).toBe(1);
    expect(await bus.cancel(retried)).toBe(0);
    await bus.resume("paused");
    await clock.advance(10_000);
    expect(seen).toEqual(["fails"]);
    await bus.settled();
  });

  test("leaves what runs, and lets the next of its key begin", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    const seen: unknown[] = [];
    bus.subscribe(
      "a",
      async ({ data }) => {
        seen.push(data);
        await gate.opened;
      },
      { subscriberId: "mail", ordering: "key" },
    );
    const orderingKey = "k";
    const first = await bus.emit("a", "first", { orderingKey });
    const second = await bus.emit("a", "second", { orderingKey });
    await bus.emit("a", "third", { orderingKey });
    await idle();
    expect(await bus.cancel(first[0])).toBe(0);
    expect(await bus.cancel(second[0])).toBe(1);
    gate.open();
    await bus.settled();
    expect(seen).toEqual(["first", "third"]);
  });

  test("cancels the delivery to one subscription, whose deduplication id is free again", async () => {
    const { bus, clock } = await startTestBus();
    const seen: string[] = [];
    bus.subscribe("a", () => void seen.push("one"), { subscriberId: "one" });
    bus.subscribe("a", () => void seen.push("two"), { subscriberId: "two" });
    const [id] = await bus.emit("a", {}, { delay: 1_000, deduplicationId: "d" });
    expect(await bus.cancel(id, { subscriberId: "one" })).toBe(1);
    await bus.emit("a", {}, { deduplicationId: "d" });
    await clock.advance(1_000);
    await bus.settled();
    expect(seen.toSorted()).toEqual(["one", "two"]);
  });

  test("cancels an event of a group in memory that is not released", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    const metadata = { eventGroupId: "g" };
    const [first] = await bus.emit({ name: "a", data: 1, metadata });
    await bus.emit({ name: "a", data: 2, metadata });
    expect(await bus.cancel(first, { subscriberId: "mail" })).toBe(0);
    expect(await bus.cancel(first)).toBe(1);
    expect(await bus.cancel(first)).toBe(0);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen).toEqual([2]);
  });

  test("refuses an unknown subscription, an unknown option, and a provider that cannot", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {}, { subscriberId: "mail" });
    await expect(bus.cancel("e", { subscriberId: "mial" })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      message: expect.stringContaining('"mail"'),
    });
    await expect(bus.cancel("e", { subscriber: "mail" } as never)).rejects.toThrow(TypeError);
    const inner = memoryProvider();
    const provider = providerLike(inner, { admin: { ...inner.admin, cancel: undefined } as never });
    const { bus: other } = await startTestBus({ provider });
    await expect(other.cancel("e")).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { option: "cancel" },
    });
  });
});

describe("cancel() meets something else", () => {
  test("leaves an event that waits for its batch", async () => {
    const { bus, clock } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe("a", (events) => void seen.push(...events.map(({ data }) => data)), {
      subscriberId: "batches",
      batch: { maxEvents: 10, maxWaitMs: 1_000 },
    });
    const [collected] = await bus.emit("a", 1);
    await idle();
    expect(await bus.cancel(collected)).toBe(0);
    await clock.advance(1_000);
    await bus.settled();
    expect(seen).toEqual([1]);
  });

  test("settles the event, also for those who wait for it already", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {}, { subscriberId: "mail" });
    const [eventId] = await bus.emit("a", 1, { delay: 60_000 });
    const settled = bus.settled({ eventId });
    await bus.cancel(eventId);
    await settled;
  });

  test("counts nothing of an emit that waits for room, which is delivered later", async () => {
    const provider = memoryProvider({ maxPending: 1 });
    const { bus } = await startTestBus({ provider });
    const gate = createGate();
    const seen: unknown[] = [];
    const mail = { subscriberId: "mail", concurrency: 1 };
    bus.subscribe("a", async ({ data }) => void (await gate.opened, seen.push(data)), mail);
    await bus.emit("a", 1);
    await idle();
    const [waits] = await bus.emit("a", 2);
    const emitted = bus.emit({ id: "under way", name: "a", data: 3 });
    await idle();
    expect(await bus.cancel("under way")).toBe(0);
    expect(await bus.cancel(waits)).toBe(1);
    await emitted;
    gate.open();
    await bus.settled();
    expect(seen).toEqual([1, 3]);
  });
});

describe("the emit option `to`", () => {
  test("delivers to the named subscriptions only", async () => {
    const { bus } = await startTestBus();
    const seen: string[] = [];
    for (const id of ["one", "two", "three"]) {
      bus.subscribe("a", () => void seen.push(id), { subscriberId: id, aliases: [`old-${id}`] });
    }
    await bus.emit("a", {}, { to: ["two", "old-three"] });
    await bus.settled();
    expect(seen.toSorted()).toEqual(["three", "two"]);
  });

  test("refuses a subscription that does not get the event, and says what became of the others", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data }) => void seen.push(data), { subscriberId: "one" });
    bus.subscribe("b", () => {}, { subscriberId: "two" });
    await expect(bus.emit("a", 1, { to: ["one", "two"] })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      message: 'Cannot emit to subscription "two": it does not subscribe to "a"',
    });
    const messages = [
      { name: "a", data: 2, id: "x" },
      { name: "a", data: 3, id: "y", options: { to: ["nobody"] } },
    ];
    await expect(bus.emit(messages)).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      details: { kind: "subscription", id: "nobody", accepted: ["x"], rejected: [{ id: "y" }] },
    });
    await bus.settled();
    expect(seen).toEqual([2]);
  });

  test("is refused empty, and by a provider that cannot", async () => {
    const { bus } = await startTestBus();
    await expect(bus.emit("a", 1, { to: [] })).rejects.toThrow("at least one subscription");
    const inner = memoryProvider();
    const capabilities = { ...inner.capabilities, targets: false };
    const provider = providerLike(inner, { capabilities });
    const { bus: other } = await startTestBus({ provider });
    await expect(other.emit("a", 1, { to: ["one"] })).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { option: "to" },
    });
  });
});
