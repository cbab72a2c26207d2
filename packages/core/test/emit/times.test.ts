import { describe, expect, test } from "vitest";
import type { EventMetadata } from "../../src/contract/event.ts";
import { collect } from "../support/collect.ts";
import { startTestBus } from "../support/test-bus.ts";

describe("the times of an event", () => {
  test("are Dates under both of their names", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const emittedAt = new Date(clock.now());
    await bus.emit({ name: "order.placed", data: 1, metadata: { eventGroupId: "g" } });
    await clock.advance(1_000);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    const publishedAt = new Date(emittedAt.getTime() + 1_000);
    expect(seen.events[0]?.metadata).toMatchObject({
      createdAt: emittedAt,
      created_at: emittedAt,
      publishedAt,
      published_at: publishedAt,
    });
  });

  test.each([
    ["createdAt", { createdAt: new Date(5) }],
    ["created_at", { created_at: new Date(5) }],
    ["both, createdAt first", { createdAt: new Date(5), created_at: new Date(7) }],
  ])("begin when the emitter says, by %s", async (_, metadata: EventMetadata) => {
    const { bus } = await startTestBus();
    const seen = collect(bus);
    await bus.emit({ name: "order.placed", data: 1, metadata });
    await bus.settled();
    expect(seen.events[0]?.metadata.createdAt).toEqual(new Date(5));
  });

  test("are its own where a handler passes on the metadata of its event, but for createdAt", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus, {}, "b");
    const createdAt = new Date(clock.now());
    bus.subscribe(
      "a",
      async ({ metadata }) => void (await bus.emit({ name: "b", data: 1, metadata })),
    );
    await bus.emit("a", 1, { delay: 500 });
    await clock.advance(500);
    await bus.settled();
    const publishedAt = new Date(createdAt.getTime() + 500);
    expect(seen.events[0]?.metadata).toMatchObject({ createdAt, publishedAt });
  });

  test("are refused if they are none, by the name that was given", async () => {
    const { bus } = await startTestBus();
    const metadata = { createdAt: "soon" as unknown as Date };
    await expect(bus.emit({ name: "a", data: 1, metadata })).rejects.toMatchObject({
      details: { issues: [{ path: "metadata.createdAt", reason: "must be a Date" }] },
    });
  });
});

describe("a delay that is a Date", () => {
  test("keeps an event back until then", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const delay = new Date(clock.now() + 1_000);
    await bus.emit("order.placed", 1, { delay });
    await clock.advance(999);
    expect(seen.data).toEqual([]);
    await clock.advance(1);
    expect(seen.data).toEqual([1]);
  });

  test("delivers at once where it has passed", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    await bus.emit("order.placed", 1, { delay: new Date(clock.now() - 1) });
    await clock.advance(0);
    expect(seen.data).toEqual([1]);
  });

  test("does not begin anew with the release of a group", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const options = { delay: new Date(clock.now() + 1_000) };
    const metadata = { eventGroupId: "g" };
    await bus.emit({ name: "order.placed", data: 1, metadata, options });
    await clock.advance(600);
    await bus.releaseGroupedEvents("g");
    await clock.advance(399);
    expect(seen.data).toEqual([]);
    await clock.advance(1);
    expect(seen.data).toEqual([1]);
  });

  test("may pass before the release of a group, which then delivers at once", async () => {
    const { bus, clock } = await startTestBus();
    const seen = collect(bus);
    const options = { delay: new Date(clock.now() + 1_000) };
    const metadata = { eventGroupId: "g" };
    await bus.emit({ name: "order.placed", data: 1, metadata, options });
    await clock.advance(2_000);
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });
});
