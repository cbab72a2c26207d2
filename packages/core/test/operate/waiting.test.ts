import { describe, expect, test } from "vitest";
import type { EventBus } from "../../src/event-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

/** A page of what waits, in short. */
async function states(
  bus: EventBus,
  subscriberId: string,
): Promise<readonly (readonly [unknown, string])[]> {
  const { items } = await bus.waiting(subscriberId);
  return items.map(({ event, state }) => [event.data, state]);
}

describe("waiting()", () => {
  test("lists what has not begun, in the order in which it will run", async () => {
    const { bus, clock } = await startTestBus();
    const gate = createGate();
    bus.subscribe("a", () => gate.opened, {
      subscriberId: "mail",
      ordering: "key",
      concurrency: 1,
    });
    await bus.emit("a", "running", { orderingKey: "k" });
    await idle();
    await bus.emit("a", "behind", { orderingKey: "k" });
    await bus.emit("a", "late", { delay: 2_000 });
    await bus.emit("a", "soon", { delay: 1_000 });
    await bus.emit("a", "normal");
    await bus.emit("a", "urgent", { priority: "high" });
    expect(await states(bus, "mail")).toEqual([
      ["urgent", "ready"],
      ["normal", "ready"],
      ["soon", "delayed"],
      ["late", "delayed"],
      ["behind", "blocked"],
    ]);
    const { items } = await bus.waiting("mail");
    expect(items[2]?.dueAt).toEqual(new Date(clock.now() + 1_000));
    expect(items[0]).not.toHaveProperty("dueAt");
    expect(items[0]?.event.metadata.createdAt).toBeInstanceOf(Date);
    expect(new Set(items.map(({ id }) => id)).size).toBe(5);
    gate.open();
  });

  test("lists page by page, and finds the deliveries of one event", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {}, { subscriberId: "mail" });
    await bus.pause("mail");
    const ids = await bus.emit(Array.from({ length: 25 }, (_, data) => ({ name: "a", data })));
    const found: unknown[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await bus.waiting("mail", { limit: 10, cursor });
      found.push(...page.items.map(({ event }) => event.data));
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined);
    expect(found).toEqual(Array.from({ length: 25 }, (_, data) => data));
    expect(pages).toBe(3);
    const { items, cursor: next } = await bus.waiting("mail", { eventId: ids[20] });
    expect(items).toMatchObject([{ event: { id: ids[20], data: 20 }, state: "ready" }]);
    expect(next).toBeUndefined();
  });

  test("gives data of its own", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.pause("mail");
    await bus.emit("a", { list: [1] });
    const [item] = (await bus.waiting("mail")).items;
    (item!.event.data as { list: number[] }).list.push(2);
    await bus.resume("mail");
    await idle();
    expect(seen).toEqual([{ list: [1] }]);
  });

  test("refuses what it cannot list", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => {}, { subscriberId: "mail" });
    await idle();
    await expect(bus.waiting("mial")).rejects.toMatchObject({ code: "BUSBAR_NOT_FOUND" });
    await expect(bus.waiting("mail", { limit: 0 })).rejects.toThrow(TypeError);
    for (const cursor of ["x", "[]", "[1,2]", '["0","0","0"]', "[0,e,1]"]) {
      await expect(bus.waiting("mail", { cursor }), cursor).rejects.toThrow(TypeError);
    }
    await expect(bus.waiting("mail")).resolves.toEqual({ items: [] });
    const provider = providerLike(memoryProvider(), { admin: undefined });
    const { bus: other } = await startTestBus({ provider });
    await expect(other.waiting("mail")).rejects.toMatchObject({ code: "BUSBAR_UNSUPPORTED" });
  });
});

describe("drain()", () => {
  test("makes dead letters of what has not begun, and keeps the subscription", async () => {
    const { bus, clock } = await startTestBus();
    const gate = createGate();
    const seen: unknown[] = [];
    bus.subscribe(
      "a",
      async ({ data }) => {
        if (data === "fails") throw new Error("busy");
        await gate.opened;
        seen.push(data);
      },
      { subscriberId: "mail", concurrency: 2, attempts: 2, backoff: 60_000 },
    );
    await bus.emit("a", "fails");
    await idle();
    await bus.emit([
      { name: "a", data: "running 1" },
      { name: "a", data: "running 2" },
      { name: "a", data: "ready" },
    ]);
    await bus.emit("a", "delayed", { delay: 1_000 });
    await idle();
    expect(await bus.drain("mail")).toBe(3);
    expect(await states(bus, "mail")).toEqual([]);
    const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
    expect(items.map(({ event, reason, attempts }) => [event.data, reason, attempts])).toEqual([
      ["fails", "drained", 1],
      ["ready", "drained", 0],
      ["delayed", "drained", 0],
    ]);
    gate.open();
    await idle();
    expect(seen).toEqual(["running 1", "running 2"]);
    await bus.emit("a", "next");
    await bus.deadLetters.replay("mail", [items[1]!.id]);
    await clock.advance(0);
    expect(new Set(seen)).toEqual(new Set(["running 1", "running 2", "next", "ready"]));
    await bus.settled();
  });

  test("discards, and forgets what was deduplicated", async () => {
    const { bus } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data }) => void seen.push(data), { subscriberId: "mail" });
    await bus.pause("mail");
    await bus.emit("a", 1, { deduplicationId: "one" });
    expect(await bus.drain("mail", { backlog: "discard" })).toBe(1);
    expect((await bus.deadLetters.list()).items).toEqual([]);
    await bus.emit("a", 2, { deduplicationId: "one" });
    await bus.resume("mail");
    await bus.settled();
    expect(seen).toEqual([2]);
  });

  test("leaves a key blocked by the dead letter that blocks it", async () => {
    const { bus } = await startTestBus();
    let isBroken = true;
    const seen: unknown[] = [];
    bus.subscribe(
      "a",
      ({ data }) => {
        if (isBroken) throw new Error("broken");
        seen.push(data);
      },
      { subscriberId: "mail", ordering: "key", onOrderedFailure: "block" },
    );
    await bus.emit("a", 1, { orderingKey: "k" });
    await idle();
    isBroken = false;
    await bus.emit("a", 2, { orderingKey: "k" });
    expect(await bus.drain("mail", { backlog: "discard" })).toBe(1);
    await bus.emit("a", 3, { orderingKey: "k" });
    await idle();
    expect(seen).toEqual([]);
    await bus.deadLetters.replay("mail");
    await idle();
    expect(seen).toEqual([1, 3]);
  });

  test("refuses what it cannot drain", async () => {
    const { bus } = await startTestBus();
    await expect(bus.drain("mail")).rejects.toMatchObject({ code: "BUSBAR_NOT_FOUND" });
    await expect(bus.drain("mail", { backlog: "keep" as never })).rejects.toThrow(TypeError);
  });
});
