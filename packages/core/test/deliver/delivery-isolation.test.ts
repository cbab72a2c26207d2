import { describe, expect, test } from "vitest";
import type { ProviderCapabilities } from "../../src/contract/provider.ts";
import type { Subscriber } from "../../src/contract/subscriber.ts";
import { memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

interface Order {
  items: { sku: string }[];
  spoilt?: boolean;
}
const order = (): Order => ({ items: [{ sku: "A-1" }] });

/** Notes what it gets, and then changes all that it can reach. */
function spoiler(seen: unknown[]): Subscriber<Order> {
  return (event) => {
    seen.push(structuredClone(event));
    event.data.items[0]!.sku = "spoilt";
    event.data.items.push({ sku: "spoilt" });
    event.data.spoilt = true;
    const metadata = event.metadata as Record<string, unknown>;
    (metadata["nested"] as Record<string, unknown>)["deep"] = "spoilt";
    event.metadata.created_at?.setTime(0);
    metadata["correlationId"] = "spoilt";
    Object.assign(event, { name: "spoilt", id: "spoilt" });
  };
}

const message = () => ({ name: "a", data: order(), metadata: { nested: { deep: 1 } } });

/** A memory provider whose every delivery has an envelope of its own, as decoding makes it. */
function freshProvider() {
  const inner = memoryProvider();
  const capabilities: ProviderCapabilities = { ...inner.capabilities, payload: "fresh" };
  return providerLike(inner, {
    capabilities,
    consume: (spec, deliver) =>
      inner.consume(spec, (delivery) =>
        deliver({ ...delivery, envelope: structuredClone(delivery.envelope) }),
      ),
  });
}

describe.each([
  ["that shares payloads", () => memoryProvider()],
  ["that makes payloads afresh", () => freshProvider()],
])("isolation on a provider %s", (_, createProvider) => {
  test("two subscriptions and the emitter never see each other's changes", async () => {
    const { bus } = await startTestBus({ provider: createProvider() });
    const seen: unknown[] = [];
    bus.subscribe("a", spoiler(seen), { subscriberId: "one" });
    bus.subscribe("a", spoiler(seen), { subscriberId: "two" });
    bus.subscribe("*", spoiler(seen), { subscriberId: "three" });
    const emitted = message();
    await bus.emit(emitted);
    await bus.settled();
    expect(seen).toHaveLength(3);
    expect(seen[0]).toMatchObject({ name: "a", data: order(), metadata: { nested: { deep: 1 } } });
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
    expect(emitted).toEqual(message());
  });

  test("the functions of one subscription never see each other's changes", async () => {
    const { bus } = await startTestBus({ provider: createProvider() });
    const seen: unknown[] = [];
    bus.subscribe("a", spoiler(seen)).subscribe("a", spoiler(seen)).subscribe("a", spoiler(seen));
    await bus.emit(message());
    await bus.settled();
    expect(seen).toHaveLength(3);
    expect(seen[0]).toMatchObject({ data: order() });
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });

  test("a retry never sees the changes of the attempt before", async () => {
    const { bus } = await startTestBus({ provider: createProvider() });
    const seen: unknown[] = [];
    const spoil = spoiler(seen);
    bus.subscribe<Order>(
      "a",
      async (event, context) => {
        await spoil(event, context);
        throw new Error("no");
      },
      { subscriberId: "mail", attempts: 3 },
    );
    await bus.emit(message());
    await bus.settled();
    expect(seen).toHaveLength(3);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });

  test("a dead letter has the event as it was emitted", async () => {
    const { bus } = await startTestBus({ provider: createProvider() });
    const spoil = spoiler([]);
    bus.subscribe<Order>("a", async (event, context) => {
      await spoil(event, context);
      throw new Error("no");
    });
    await bus.emit(message());
    await bus.settled();
    const { items } = await bus.deadLetters.list();
    expect(items).toMatchObject([{ event: message() }]);
    Object.assign(items[0]?.event.data as object, { items: [] });
    expect((await bus.deadLetters.list()).items).toMatchObject([{ event: message() }]);
  });

  test("what the emitter changes after emit reaches nobody", async () => {
    const { bus } = await startTestBus({ provider: createProvider() });
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data, metadata }) => void seen.push(data, metadata["nested"]), {
      subscriberId: "mail",
    });
    await bus.pause("mail");
    const emitted = message();
    await bus.emit(emitted);
    emitted.data.items.length = 0;
    emitted.metadata.nested.deep = 2;
    await bus.resume("mail");
    await bus.settled();
    expect(seen).toEqual([order(), { deep: 1 }]);
  });
});

describe(`isolation "none"`, () => {
  test("lets the handlers of an event share one object", async () => {
    const { bus } = await startTestBus({ isolation: "none" });
    const seen: object[] = [];
    const note: Subscriber = (event) => void seen.push(event);
    bus.subscribe("a", note, { subscriberId: "one" });
    bus.subscribe("a", note, { subscriberId: "two" });
    bus.subscribe("*", note, { subscriberId: "all" });
    await bus.emit("a", order());
    await bus.emit("a", order());
    await bus.settled();
    expect(seen).toHaveLength(6);
    expect(new Set(seen).size).toBe(2);
  });

  test("still keeps the emitter's objects its own", async () => {
    const { bus } = await startTestBus({ isolation: "none" });
    const seen: unknown[] = [];
    bus.subscribe("a", ({ data, metadata }) => void seen.push(data, metadata["nested"]));
    const emitted = message();
    await bus.emit(emitted);
    await bus.settled();
    expect(seen).toEqual([emitted.data, emitted.metadata.nested]);
    expect(seen[0]).not.toBe(emitted.data);
    expect(seen[1]).not.toBe(emitted.metadata.nested);
  });

  test("keeps the metadata of a dead letter as it was emitted", async () => {
    const { bus } = await startTestBus({ isolation: "none" });
    bus.subscribe("a", ({ metadata }) => {
      Object.assign(metadata, { nested: "spoiled" });
      throw new Error("no");
    });
    await bus.emit(message());
    await bus.settled();
    const { items } = await bus.deadLetters.list();
    expect(items).toMatchObject([{ event: { metadata: { nested: { deep: 1 } } } }]);
  });
});
