import { expect, onTestFinished, test, vi } from "vitest";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import type { EventBusOptions } from "../../src/contract/bus-options.ts";
import type { JsonObject } from "../../src/contract/json.ts";
import { Notices } from "../../src/observe/notices.ts";
import type { TailEntry, TailedEvent } from "../../src/operate/tail-entries.ts";
import { providerWith, TestBoard } from "../support/board.ts";
import { createManualClock, idle, type ManualClock } from "../support/manual-clock.ts";
import { memoryProvider, startTestBus } from "../support/test-bus.ts";

/** Reads a tail from now on, into a list. */
async function follow(bus: EventBus, signal?: AbortSignal): Promise<readonly TailEntry[]> {
  // Loads what a tail needs, which takes a while the first time.
  await bus.inspect();
  const seen: TailEntry[] = [];
  void (async () => {
    for await (const entry of bus.tail({ signal })) seen.push(entry);
  })();
  await idle();
  return seen;
}

async function startOn(
  board: TestBoard,
  clock: ManualClock,
  options: Partial<Omit<EventBusOptions, "provider" | "events">> = {},
): Promise<EventBus> {
  const bus = createEventBus({ provider: providerWith(board), logger: false, ...options, clock });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
  await bus.start();
  return bus;
}

function typesOf(entries: readonly TailEntry[]): readonly string[] {
  return entries.map(({ type }) => type);
}

test("shows what happens to an event in this process, with its data, until it is ended", async () => {
  const { bus, clock } = await startTestBus();
  let isBroken = true;
  bus.subscribe(
    "order.placed",
    () => {
      if (isBroken) throw new TypeError("no such order");
    },
    { subscriberId: "mail", attempts: 2, backoff: 100 },
  );
  const controller = new AbortController();
  const seen = await follow(bus, controller.signal);
  const [id] = await bus.emit("order.placed", { orderId: "42" });
  await idle();
  isBroken = false;
  await clock.advance(100);
  await bus.emit("nobody.wants", null);
  await idle();
  const { instances } = await bus.inspect();
  expect(seen).toMatchObject([
    { type: "emitted", event: { id, name: "order.placed" }, data: { orderId: "42" } },
    {
      type: "failed",
      at: new Date(clock.now() - 100),
      instanceId: instances[0]?.instanceId,
      event: { id, metadata: { correlationId: id, createdAt: expect.any(Date) as Date } },
      subscriberId: "mail",
      attempt: 1,
      durationMs: 0,
      error: { name: "TypeError", message: "no such order" },
      delayMs: 100,
    },
    { type: "delivered", subscriberId: "mail", attempt: 2 },
    { type: "emitted", event: { name: "nobody.wants" }, data: null },
    { type: "unrouted", event: { name: "nobody.wants" } },
  ]);
  controller.abort();
  await bus.emit("order.placed", 1);
  await idle();
  expect(seen).toHaveLength(5);
});

test("ends with the bus, after what the bus delivers while it stops", async () => {
  const { bus } = await startTestBus();
  bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
  const seen: string[] = [];
  const ended = (async () => {
    for await (const { type } of bus.tail()) seen.push(type);
  })();
  await idle();
  await bus.emit("order.placed", 1);
  await bus.stop();
  await ended;
  expect(seen).toEqual(["emitted", "delivered"]);
});

test.each([
  ["in memory", false],
  ["on a board", true],
])("ends at once when it is first read after the bus has stopped, %s", async (_where, hasBoard) => {
  const clock = createManualClock();
  const provider = hasBoard ? providerWith(new TestBoard(clock)) : memoryProvider();
  const bus = createEventBus({ provider, logger: false, clock });
  await bus.start();
  const tail = bus.tail()[Symbol.asyncIterator]();
  await bus.stop();
  expect(await tail.next()).toEqual({ done: true, value: undefined });
  expect(clock.pendingTimers()).toBe(0);
});

test("ends at once while the board does not answer, and shows nothing on the board any more", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  const bus = await startOn(board, clock);
  await bus.inspect();
  let answer = (): void => {};
  const read = board.read.bind(board);
  board.read = async (...given) => {
    await new Promise<void>((resolve) => (answer = resolve));
    return read(...given);
  };
  const controller = new AbortController();
  const next = bus.tail({ signal: controller.signal })[Symbol.asyncIterator]().next();
  await idle();
  controller.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  const before = await looksAtClock(bus, clock);
  answer();
  await idle();
  expect(await looksAtClock(bus, clock)).toBe(before);
});

test("makes no entries for a report that is answered after the stop", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  let answer = (): void => {};
  const bus = await startOn(board, clock);
  board.post = async () => {
    await new Promise<void>((resolve) => (answer = resolve));
    return { watched: true };
  };
  const tap = vi.spyOn(Notices.prototype, "tap");
  onTestFinished(() => tap.mockRestore());
  await clock.advance(5_000);
  const stopped = bus.stop();
  await idle();
  answer();
  await stopped;
  expect(tap).not.toHaveBeenCalled();
});

test("cuts data and metadata, and copies what handlers may change", async () => {
  const { bus } = await startTestBus({ isolation: "none" });
  const items = { list: [1] };
  bus.subscribe<{ list: number[] }>("small", ({ data }) => void data.list.push(2), {
    subscriberId: "changes",
  });
  const seen = await follow(bus);
  await bus.emit("small", items);
  await bus.emit({ name: "large", data: { text: "x".repeat(100_000) }, metadata: { tenant: "a" } });
  await bus.emit({ name: "deep", data: [], metadata: { tenant: "é".repeat(10_000) } });
  await idle();
  const emitted = seen.filter((it): it is TailedEvent => it.type === "emitted");
  const [small, large, deep] = emitted as [TailedEvent, TailedEvent, TailedEvent];
  expect(small).toMatchObject({ data: { list: [1] } });
  expect(small).not.toHaveProperty("dataCut");
  expect(large.dataCut).toBe(true);
  expect(large.data).toBe(`{"text":"${"x".repeat(8_192 - 9)}`);
  expect(large.event.metadata["tenant"]).toBe("a");
  expect(deep.event.metadata).not.toHaveProperty("tenant");
  expect(deep.event.metadata.correlationId).toBe(deep.event.id);
});

test("keeps 1 000 entries for a slow reader, and says how many it has dropped", async () => {
  const { bus } = await startTestBus();
  const tail = bus.tail()[Symbol.asyncIterator]();
  const first = tail.next();
  await idle();
  const names = (count: number): { name: string; data: number }[] =>
    Array.from({ length: count }, (_, data) => ({ name: "unwanted", data }));
  await bus.emit(names(1));
  await first;
  // Each is two entries: emitted and unrouted. One of the first event's has been read.
  await bus.emit(names(700));
  const read: TailEntry[] = [];
  for (let count = 0; count < 1_000; count += 1) read.push((await tail.next()).value as TailEntry);
  expect(typesOf(read)).not.toContain("dropped");
  const next = tail.next();
  await bus.emit(names(1));
  expect((await next).value).toEqual({ type: "dropped", count: 401 });
  expect((await tail.next()).value).toMatchObject({ type: "emitted" });
});

/** How often an emit looks at the clock: once more for each entry that is made. */
async function looksAtClock(bus: EventBus, clock: ManualClock): Promise<number> {
  const looks = vi.spyOn(clock, "now");
  await bus.emit("unwanted", 1);
  const count = looks.mock.calls.length;
  looks.mockRestore();
  return count;
}

test("makes no entries once nobody reads any more", async () => {
  const { bus, clock } = await startTestBus();
  const before = await looksAtClock(bus, clock);
  const controller = new AbortController();
  await follow(bus, controller.signal);
  expect(await looksAtClock(bus, clock)).toBe(before + 2);
  controller.abort();
  await idle();
  expect(await looksAtClock(bus, clock)).toBe(before);
});

test("makes no entries for a reader that has not read for 15 seconds", async () => {
  const { bus, clock } = await startTestBus();
  const before = await looksAtClock(bus, clock);
  const tail = bus.tail()[Symbol.asyncIterator]();
  const first = tail.next();
  await idle();
  await bus.emit(Array.from({ length: 1_200 }, (_, data) => ({ name: "unwanted", data })));
  await first;
  await clock.advance(15_001);
  await bus.emit("unwanted", 1);
  expect(await looksAtClock(bus, clock)).toBe(before);
  for (let count = 0; count < 999; count += 1) await tail.next();
  const next = tail.next();
  expect(await looksAtClock(bus, clock)).toBe(before + 2);
  expect((await next).value).toMatchObject({ type: "dropped" });
  await tail.return?.();
});

test("shows what happens in other processes, once they know that somebody watches", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  const one = await startOn(board, clock);
  const other = await startOn(board, clock);
  const seen = await follow(one);
  await other.emit("order.placed", "unseen");
  await clock.advance(5_000);
  const [id] = await other.emit("order.placed", "seen");
  await clock.advance(500);
  expect(seen.filter(({ type }) => type === "emitted")).toMatchObject([
    { event: { id }, data: "seen" },
  ]);
  expect(seen).toContainEqual(expect.objectContaining({ type: "delivered", subscriberId: "mail" }));
  await one.emit("order.placed", "own");
  await clock.advance(500);
  expect(new Set(seen.map((it) => (it as TailedEvent).instanceId)).size).toBe(2);
});

test("shows nothing on the board when nobody has watched it for 15 seconds and a report", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  const shown = vi.spyOn(board, "show");
  const one = await startOn(board, clock);
  const other = await startOn(board, clock);
  await other.emit("order.placed", 1);
  await clock.advance(500);
  const controller = new AbortController();
  await follow(one, controller.signal);
  await clock.advance(5_000);
  expect(shown).not.toHaveBeenCalled();
  await other.emit("order.placed", 1);
  await clock.advance(500);
  expect(shown).toHaveBeenCalledTimes(1);
  controller.abort();
  await clock.advance(20_000);
  await one.emit("order.placed", 1);
  await other.emit("order.placed", 1);
  await clock.advance(500);
  expect(shown).toHaveBeenCalledTimes(1);
});

test("says how many entries the board has dropped, and those of a process that has too many", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  const one = await startOn(board, clock);
  const seen = await follow(one);
  await one.emit("order.placed", 0);
  await clock.advance(500);
  const many = Array.from({ length: 1_500 }, (_, data) => ({ name: "order.placed", data }));
  await one.emit(many);
  await clock.advance(500);
  await one.emit("order.placed", 0);
  await clock.advance(500);
  expect(seen.filter(({ type }) => type === "dropped")).toEqual([
    { type: "dropped", count: 2_000 },
  ]);
});

test("goes on after a time in which the board could not be read", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  const one = await startOn(board, clock);
  const seen = await follow(one);
  board.isDown = true;
  await one.emit("order.placed", "lost");
  await clock.advance(10_000);
  board.isDown = false;
  await clock.advance(2_000);
  await one.emit("order.placed", "shown");
  await clock.advance(500);
  expect(seen.filter((it) => it.type === "emitted")).toMatchObject([{ data: "shown" }]);
});

test("shows what a tool emits, which reports nothing of itself", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  const one = await startOn(board, clock);
  const seen = await follow(one);
  const tool = createEventBus({
    provider: providerWith(board),
    logger: false,
    role: "tool",
    clock,
  });
  await tool.start();
  await tool.emit("order.placed", 1);
  await tool.stop();
  await clock.advance(500);
  expect(seen.map((it) => (it as TailedEvent).event.name)).toContain("order.placed");
  expect((await one.inspect()).instances).toHaveLength(1);
});

test("reads past what another release shows and this one cannot read", async () => {
  const clock = createManualClock();
  const board = new TestBoard(clock);
  const one = await startOn(board, clock);
  const seen = await follow(one);
  const strange: JsonObject[] = [{}, { type: "emitted", seq: 1 }, { type: "new", at: 1, seq: 2 }];
  await board.show(strange, { keep: 10 });
  await one.emit("order.placed", 1);
  await clock.advance(1_000);
  expect(typesOf(seen).toSorted()).toEqual(["delivered", "emitted"]);
});
