import { describe, expect, test } from "vitest";
import type { Envelope, GroupStaging, StagedEvent } from "../../src/contract/provider.ts";
import type { Plugin, PluginContext } from "../../src/contract/plugin.ts";
import { toSubscriberArgs } from "../../src/events/subscriber.ts";
import { memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

const envelope: Envelope = {
  id: "from-outbox",
  name: "order.placed",
  data: 1,
  metadata: { created_at: 1, published_at: 2, correlationId: "c" },
};

/** A staging that notes what it is given, and with which transaction. */
function noting(): {
  readonly plugin: Plugin;
  readonly staged: unknown[];
} {
  const staged: unknown[] = [];
  const groups = {
    stage: async (id: string, events: readonly StagedEvent[], options: object) =>
      void staged.push([id, events.map(({ envelope: it }) => it.data), options]),
    list: async () => [],
    claim: async () => undefined,
  } as unknown as GroupStaging;
  const stage = async (transaction: unknown, envelopes: readonly Envelope[]): Promise<void> =>
    void staged.push([transaction, envelopes.map(({ data }) => data)]);
  return { plugin: { name: "outbox", staging: { stage, groups, delays: true } }, staged };
}

describe("a plugin such as the outbox", () => {
  test("hears of each event that is settled, with all that was emitted because of it", async () => {
    let context: PluginContext | undefined;
    const settled: string[] = [];
    const plugin: Plugin = { name: "outbox", start: (given) => void (context = given) };
    const { bus } = await startTestBus({ plugins: [plugin] });
    let end = (): void => {};
    const gate = new Promise<void>((resolve) => (end = resolve));
    bus.subscribe(
      "order.placed",
      async () => void (await bus.emit({ name: "b", data: 1, id: "b" })),
    );
    bus.subscribe("b", () => gate);
    const stop = context?.onSettled?.((id) => settled.push(id));
    await context?.publishEnvelopes([envelope, { ...envelope, id: "unrouted", name: "none" }]);
    expect(settled).toEqual(["unrouted"]);
    end();
    await bus.settled();
    expect(settled).toEqual(["unrouted", "b", "from-outbox"]);
    stop?.();
    await bus.emit("order.placed", 1);
    await bus.settled();
    expect(settled).toHaveLength(3);
  });

  test("is told once the provider has stopped, too", async () => {
    const steps: string[] = [];
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      stop: async (options) => {
        await inner.stop(options);
        steps.push("provider");
      },
    });
    const plugin: Plugin = {
      name: "outbox",
      stop: () => void steps.push("stop"),
      stopped: () => void steps.push("stopped"),
    };
    const { bus } = await startTestBus({ provider, plugins: [plugin] });
    await bus.stop();
    expect(steps).toEqual(["stop", "provider", "stopped"]);
  });

  test("stages events of groups in their group, within the transaction", async () => {
    const { plugin, staged } = noting();
    const { bus } = await startTestBus({ plugins: [plugin] });
    const seen: unknown[] = [];
    bus.addInterceptor((event, { isGrouped }) => {
      seen.push([event.data, isGrouped]);
    });
    await bus.withTransaction("tx").emit([
      { name: "a", data: 1, metadata: { eventGroupId: "g" } },
      { name: "a", data: 2 },
    ]);
    expect(staged).toEqual([
      ["g", [1], { ttlMs: undefined, transaction: "tx" }],
      ["tx", [2]],
    ]);
    // At release they are seen.
    expect(seen).toEqual([[2, false]]);
  });

  test("that stages no groups refuses those within a transaction", async () => {
    const { plugin, staged } = noting();
    const stage = plugin.staging?.stage;
    const { bus } = await startTestBus({ plugins: [{ name: "o", staging: { stage } as never }] });
    const grouped = { name: "a", data: 1, metadata: { eventGroupId: "g" } };
    await expect(bus.withTransaction("tx").emit(grouped)).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
      details: { option: "eventGroupId" },
    });
    expect(staged).toEqual([]);
  });

  test("lets a transaction delay events on a provider that cannot", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, durable: true, delay: false },
    });
    const { plugin, staged } = noting();
    const { bus } = await startTestBus({ provider, plugins: [plugin] });
    await expect(bus.emit("a", 1, { delay: 5 })).rejects.toMatchObject({
      code: "BUSBAR_UNSUPPORTED",
    });
    await bus.withTransaction("tx").emit("a", 1, { delay: 5 });
    expect(staged).toEqual([["tx", [1]]]);
  });

  test("gives handlers the transaction that its middleware has begun", async () => {
    const seen: unknown[] = [];
    const plugin: Plugin = {
      name: "inbox",
      middleware: ({ context }, next) => {
        context.tx = "tx";
        return next();
      },
    };
    const { bus } = await startTestBus({ plugins: [plugin] });
    bus.subscribe("a", (event, context) => {
      seen.push(context.tx, toSubscriberArgs(event, context).tx);
    });
    await bus.emit("a", 1);
    await bus.settled();
    expect(seen).toEqual(["tx", "tx"]);
  });
});
