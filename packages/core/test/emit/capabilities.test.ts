import { describe, expect, test, vi } from "vitest";
import type { EventMessage } from "../../src/contract/event.ts";
import type { Delivery, EventProvider, ProviderContext } from "../../src/contract/provider.ts";
import { createTestBus, startTestBus, type TestBus } from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";
import { createMinimalProvider } from "../support/minimal-provider.ts";

function startMinimal(members?: Partial<EventProvider>): Promise<TestBus> {
  return startTestBus({ provider: createMinimalProvider(members) });
}

describe("a provider that can only start, publish, consume and stop", () => {
  test("delivers", async () => {
    const { bus } = await startMinimal();
    const seen = collect(bus, { subscriberId: "s" }, ["order.*", "cart.closed"]);
    await bus.emit([1, 2].map((data) => ({ name: "order.placed", data })));
    await bus.emit("cart.closed", 3);
    await bus.emit("cart.opened", 4);
    await bus.settled();
    expect(seen.data).toEqual([1, 2, 3]);
    expect((await bus.inspect()).counters).toMatchObject({
      emitted: 4,
      unrouted: 1,
      acknowledged: 3,
    });
  });

  test.each<[string, EventMessage["options"]]>([
    ["delay", { delay: 1000 }],
    ["backoff", { attempts: 2, backoff: 1000 }],
    ["deduplicationId", { deduplicationId: "1" }],
    ["orderingKey", { orderingKey: "k" }],
  ])("refuses %s at emit, and sends nothing", async (option, options) => {
    const { bus } = await startMinimal();
    const seen = collect(bus);
    const refused = {
      code: "BUSBAR_UNSUPPORTED",
      message: expect.stringMatching(
        `^Provider "minimal" does not support the option "${option}": .*, or choose a provider with the capability "`,
      ),
      details: { provider: "minimal", option },
    };
    await expect(bus.emit("order.placed", 1, options)).rejects.toMatchObject(refused);
    const emit = bus.emit([
      { name: "order.placed", data: 1 },
      { name: "order.placed", data: 2, options },
    ]);
    await expect(emit).rejects.toMatchObject(refused);
    const metadata = { eventGroupId: "g" };
    await expect(
      bus.emit({ name: "order.placed", data: 3, metadata, options }),
    ).rejects.toMatchObject(refused);
    await bus.settled();
    expect(seen.data).toEqual([]);
    expect((await bus.inspect()).groups).toEqual([]);
  });

  test("that delays publishes alone refuses a backoff, and says what to do", async () => {
    const capabilities = { ...createMinimalProvider().capabilities, delay: true };
    const { bus } = await startMinimal({ capabilities });
    await bus.emit("order.placed", 1, { delay: 1000 });
    await expect(bus.emit("order.placed", 1, { attempts: 2, backoff: 1000 })).rejects.toThrow(
      'Provider "minimal" does not support the option "backoff": leave it out to retry at once, or choose a provider with the capability "retryDelay"',
    );
    expect(() => bus.subscribe("a", () => {}, { subscriberId: "s", backoff: 1 })).toThrow(
      /the option "backoff" of subscriber "s": leave it out/,
    );
  });

  test("that delays retries alone refuses a delay, and says what to do", async () => {
    const capabilities = { ...createMinimalProvider().capabilities, retryDelay: true };
    const { bus } = await startMinimal({ capabilities });
    bus.subscribe("a", () => {}, { subscriberId: "s", attempts: 2, backoff: 1000 });
    await bus.emit("order.placed", 1, { attempts: 2, backoff: 1000 });
    for (const delay of [1000, new Date(Date.now() + 60_000)]) {
      await expect(bus.emit("order.placed", 1, { delay })).rejects.toThrow(
        'Provider "minimal" does not support the option "delay": emit when the event is due, or choose a provider with the capability "delay"',
      );
    }
  });

  test("refuses a backoff at subscribe", async () => {
    const { bus } = createTestBus({ provider: createMinimalProvider() });
    const subscribe = () =>
      bus.subscribe("a", () => {}, { subscriberId: "s", attempts: 2, backoff: 1000 });
    const refused = expect.objectContaining({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "backoff" },
    });
    expect(subscribe).toThrow(refused);
    await bus.start();
    expect(subscribe).toThrow(refused);
  });

  test("retries at once", async () => {
    const { bus } = await startMinimal();
    const attempts: number[] = [];
    bus.subscribe(
      "order.placed",
      (_, { attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw new Error("not yet");
      },
      { subscriberId: "s", attempts: 3 },
    );
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(attempts).toEqual([1, 2, 3]);
  });

  test("refuses dead letters, and says of each delivery that it is lost", async () => {
    const { bus, logger } = await startMinimal();
    const dead = vi.fn();
    bus.on("dead", dead);
    bus.subscribe("order.placed", () => Promise.reject(new Error("broken")), {
      subscriberId: "s",
      attempts: 2,
    });
    await bus.emit("order.placed", 1);
    await bus.settled();

    expect(dead).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ subscriberId: "s", reason: "failed" }),
    );
    expect((await bus.inspect()).counters).toMatchObject({ dead: 1, deadLettersDropped: 1 });
    expect(logger.at("error")).toMatchObject([
      { message: expect.stringContaining("the provider keeps no dead letters") },
    ]);
    const refused = {
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "deadLetters" },
    };
    await expect(bus.deadLetters.list()).rejects.toMatchObject(refused);
    await expect(bus.deadLetters.list({ subscriberId: "s" })).rejects.toMatchObject(refused);
    await expect(bus.deadLetters.get("s", "1")).rejects.toMatchObject(refused);
    await expect(bus.deadLetters.replay("s")).rejects.toMatchObject(refused);
    await expect(bus.deadLetters.discard("s")).rejects.toMatchObject(refused);
  });

  test("refuses settled() once it has given deliveries up, as nobody counts what is left", async () => {
    let report: ProviderContext["report"] | undefined;
    const { bus } = await startMinimal({
      start: async (context) => {
        ({ report } = context);
      },
    });
    await bus.settled();
    report?.({ type: "discarded", subscriptionId: "s", count: 1 });
    await expect(bus.settled()).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "settled" },
    });
  });

  test("ignores a priority, and warns of it once", async () => {
    const { bus, logger } = await startMinimal();
    const seen = collect(bus);
    await bus.emit("order.placed", 1, { priority: "low" });
    await bus.emit("order.placed", 2, { priority: 1 });
    await bus.emit("order.placed", 3, { priority: "normal" });
    await bus.settled();
    expect(seen.data).toEqual([1, 2, 3]);
    expect(logger.at("warn")).toMatchObject([{ fields: { provider: "minimal" } }]);
  });

  test.each(["key", "all"] as const)("refuses the ordering %s at subscribe", async (ordering) => {
    const unsupported = expect.objectContaining({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "ordering" },
    });
    const { bus } = createTestBus({ provider: createMinimalProvider() });
    const subscribe = () => bus.subscribe("a", () => {}, { subscriberId: "s", ordering });
    expect(subscribe).toThrow(unsupported);
    await bus.start();
    expect(subscribe).toThrow(unsupported);
    expect((await bus.inspect()).subscriptions).toEqual([]);
    bus.subscribe("a", () => {}, { subscriberId: "s", ordering: "none" });
  });

  test('refuses the role "server" at start', async () => {
    const { bus } = createTestBus({ provider: createMinimalProvider(), role: "server" });
    await expect(bus.start()).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "minimal", option: "role" },
    });
  });

  test("stages groups in memory", async () => {
    const { bus } = await startMinimal();
    const seen = collect(bus);
    await bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } });
    await bus.releaseGroupedEvents("g");
    await bus.settled();
    expect(seen.data).toEqual([1]);
  });

  test("hears of events that a subscription gets after start, and runs each event once", async () => {
    const { bus } = await startMinimal();
    const seen: string[] = [];
    const handle = ({ name }: { name: string }): void => void seen.push(name);
    bus.subscribe("a", handle, { subscriberId: "s" });
    await bus.emit("a", null);
    bus.subscribe("b", handle, { subscriberId: "s" });
    await bus.emit("a", null);
    await bus.emit("b", null);
    bus.unsubscribe("a", handle);
    await bus.emit("a", null);
    await bus.emit("b", null);
    await bus.settled();
    expect(seen).toEqual(["a", "a", "b", "b"]);
  });

  test("tells the bus of a delivery that crashed by handing it over again", async () => {
    const handed: Delivery[] = [];
    const { bus } = await startMinimal({
      consume: async (_, deliver) => {
        const envelope = {
          id: "1",
          name: "a",
          data: null,
          metadata: { created_at: 0, published_at: 0, correlationId: "1" },
        };
        for (const crashes of [5, 6]) {
          handed.push({ envelope, crashes });
          await deliver({ envelope, crashes });
        }
        return { close: async () => {} };
      },
    });
    const seen = collect(bus);
    await idle();
    expect(handed).toHaveLength(2);
    expect(seen.events).toHaveLength(1);
    expect((await bus.inspect()).counters).toMatchObject({ dead: 1, acknowledged: 1 });
  });
});
