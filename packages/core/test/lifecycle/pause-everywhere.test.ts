import { EventEmitter } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import type { RegisteredSubscription } from "../../src/contract/provider.ts";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import { createMemoryProvider } from "../../src/memory/memory-provider.ts";
import { createManualClock, idle, type ManualClock } from "../support/manual-clock.ts";
import { createGate, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

/** What several buses share of a durable list: what is paused. */
interface SharedList {
  readonly paused: Set<string>;
  isDown: boolean;
}

/** A bus on a queue of its own, whose list of subscriptions is durable and shared. */
function createBusOn(shared: SharedList, clock: ManualClock): EventBus {
  const inner = createMemoryProvider({ name: "shared", channel: new EventEmitter() });
  const provider = providerLike(inner, {
    capabilities: { ...inner.capabilities, durable: true },
    subscriptions: {
      ...inner.subscriptions,
      async list() {
        if (shared.isDown) throw new Error("The list is down");
        const listed = await inner.subscriptions.list();
        return listed.map((it): RegisteredSubscription => {
          const ids = [it.subscriptionId, ...it.aliases];
          return { ...it, paused: ids.some((id) => shared.paused.has(id)) };
        });
      },
      async setPaused(id, paused) {
        if (paused) shared.paused.add(id);
        else shared.paused.delete(id);
      },
    },
  });
  const bus = createEventBus({ provider, clock, logger: false });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  return bus;
}

function createShared(): SharedList {
  return { paused: new Set(), isDown: false };
}

function collect(bus: EventBus, subscriberId: string): readonly unknown[] {
  const seen: unknown[] = [];
  bus.subscribe("order.placed", ({ data }) => void seen.push(data), { subscriberId });
  return seen;
}

describe("pause() with everywhere", () => {
  test("stops a subscription in every process within 5 seconds, until resume()", async () => {
    const clock = createManualClock();
    const shared = createShared();
    const [one, other] = [createBusOn(shared, clock), createBusOn(shared, clock)];
    const seen = collect(other, "mail");
    collect(one, "mail");
    await one.start();
    await other.start();
    await one.pause("mail", { everywhere: true });
    await clock.advance(5_000);
    await other.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
    const [inspected] = (await other.inspect()).subscriptions;
    expect(inspected).toMatchObject({ paused: false, pausedEverywhere: true, ready: 1 });
    await one.resume("mail", { everywhere: true });
    await clock.advance(5_000);
    expect(seen).toEqual([1]);
  });

  test("holds in a process that starts later, and for an earlier id of the subscription", async () => {
    const clock = createManualClock();
    const shared = createShared();
    shared.paused.add("mail");
    const later = createBusOn(shared, clock);
    const seen = collect(later, "mail");
    await later.start();
    await later.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
    await later.resume("mail", { everywhere: true });
    await idle();
    expect(seen).toEqual([1]);
  });

  test("is apart from the pause of one process", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, "mail");
    await bus.pause("mail");
    await bus.pause("mail", { everywhere: true });
    await bus.emit("order.placed", 1);
    await bus.resume("mail", { everywhere: true });
    await idle();
    expect(seen).toEqual([]);
    await bus.pause("mail", { everywhere: true });
    await bus.resume("mail");
    await idle();
    expect(seen).toEqual([]);
    await bus.resume("mail", { everywhere: true });
    await idle();
    expect(seen).toEqual([1]);
  });

  test("waits for the runs in flight here, but not for the run that asks", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    let hasPaused = false;
    bus.subscribe("slow", () => gate.opened, { subscriberId: "slow" });
    bus.subscribe("self", () => bus.pause("self", { everywhere: true }), { subscriberId: "self" });
    await bus.emit("slow", 1);
    await idle();
    const paused = bus.pause("slow", { everywhere: true }).then(() => (hasPaused = true));
    await idle();
    expect(hasPaused).toBe(false);
    gate.open();
    await paused;
    await bus.emit("self", 1);
    await bus.settled();
  });

  test("keeps what it knows while the list cannot be read", async () => {
    const clock = createManualClock();
    const shared = createShared();
    const bus = createBusOn(shared, clock);
    const seen = collect(bus, "mail");
    await bus.start();
    await bus.pause("mail", { everywhere: true });
    shared.isDown = true;
    shared.paused.delete("mail");
    await clock.advance(10_000);
    await bus.emit("order.placed", 1);
    expect(seen).toEqual([]);
    shared.isDown = false;
    await clock.advance(5_000);
    expect(seen).toEqual([1]);
  });

  test("follows the pause under the present id from the code of an earlier release", async () => {
    const { bus } = await startTestBus();
    const seen = collect(bus, "post");
    bus.subscribe("other", () => {}, { subscriberId: "mail", aliases: ["post"] });
    await bus.pause("mail", { everywhere: true });
    await bus.emit("order.placed", 1);
    await idle();
    expect(seen).toEqual([]);
  });

  test("is forgotten when the subscription is retired, and moves to a new id", async () => {
    const { bus } = await startTestBus();
    collect(bus, "mail");
    await bus.pause("mail", { everywhere: true });
    bus.subscribe("order.placed", () => {}, { subscriberId: "post", aliases: ["mail"] });
    await idle();
    const paused = async (): Promise<readonly (readonly [string, boolean])[]> =>
      (await bus.inspect()).subscriptions.map((it) => [it.subscriberId, it.pausedEverywhere]);
    expect(await paused()).toContainEqual(["post", true]);
    await bus.retire("post");
    const seen = collect(bus, "post");
    await bus.emit("order.placed", 1);
    await idle();
    expect(await paused()).toContainEqual(["post", false]);
    expect(seen).toEqual([1]);
  });

  test("refuses a subscription that nobody knows, and a provider that cannot keep a pause", async () => {
    const { bus } = await startTestBus();
    collect(bus, "mail");
    await expect(bus.pause("mial", { everywhere: true })).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      message: expect.stringContaining('did you mean "mail"?') as string,
    });
    const inner = memoryProvider();
    const { setPaused: _, ...subscriptions } = inner.subscriptions;
    const { bus: other } = await startTestBus({ provider: providerLike(inner, { subscriptions }) });
    collect(other, "mail");
    await expect(other.pause("mail", { everywhere: true })).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
    });
    await expect(bus.pause("mail", { everywhere: 1 as never })).rejects.toThrow(TypeError);
  });
});
