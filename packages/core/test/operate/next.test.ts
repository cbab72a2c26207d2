import { describe, expect, test } from "vitest";
import { idle } from "../support/manual-clock.ts";
import { memoryProvider, startTestBus } from "../support/test-bus.ts";

describe("next()", () => {
  test("resolves with the first event that is emitted after the call, once", async () => {
    const { bus } = await startTestBus();
    await bus.emit("order.placed", "before");
    const [first, both] = [bus.next("order.placed"), bus.next("order.*")];
    await bus.emit([
      { name: "order.placed", data: 1 },
      { name: "order.placed", data: 2 },
    ]);
    await expect(first).resolves.toMatchObject({ name: "order.placed", data: 1 });
    await expect(both).resolves.toMatchObject({ data: 1 });
    await bus.settled();
    expect((await bus.inspect()).subscriptions).toEqual([]);
    const again = bus.next("order.placed");
    await bus.emit("order.placed", 3);
    await expect(again).resolves.toMatchObject({ data: 3 });
  });

  test("rejects at its limit, and with the reason of its signal", async () => {
    const { bus, clock } = await startTestBus();
    const limited = bus.next("a", { timeoutMs: 1_000 });
    const expired = expect(limited).rejects.toMatchObject({
      code: "BUSBAR_TIMEOUT",
      message: 'Waited 1000 ms for the next event "a", and it was not emitted',
      details: { timeoutMs: 1_000, what: 'the next event "a"' },
    });
    await clock.advance(1_000);
    await expired;
    const controller = new AbortController();
    const aborted = bus.next("a", { signal: controller.signal });
    const reason = new Error("not any more");
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    await expect(bus.next("a", { signal: controller.signal })).rejects.toBe(reason);
    await idle();
    expect((await bus.inspect()).subscriptions).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("rejects when the bus stops, and is refused before, after, and where nothing is consumed", async () => {
    const { bus } = await startTestBus();
    const waiting = expect(bus.next("a")).rejects.toMatchObject({
      code: "BUSBAR_NOT_RUNNING",
      details: { method: "next" },
    });
    await bus.stop();
    await waiting;
    await expect(bus.next("a")).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
    const { bus: tool } = await startTestBus({ role: "tool" });
    await expect(tool.next("a")).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { option: "next" },
    });
    await expect(tool.next("a", { timeout: 1 } as never)).rejects.toThrow(TypeError);
  });

  test("is declared as temporary, and as nothing that the application subscribed", async () => {
    const provider = memoryProvider();
    const { bus, logger } = await startTestBus({
      provider,
      subscriptionDefaults: { attempts: 3, ordering: "all" },
    });
    const wait = bus.next("a");
    await idle();
    const listed = await provider.subscriptions.list();
    expect(listed).toMatchObject([
      { subscriptionId: expect.stringMatching(/^next:/), temporary: true, ordering: "none" },
    ]);
    await bus.emit("a", 1);
    await wait;
    await bus.settled();
    expect(await provider.subscriptions.list()).toEqual([]);
    expect(logger.lines.filter(({ level }) => level === "warn")).toEqual([]);
  });
});
