import { EventEmitter } from "node:events";
import { createEventBus, type EventBus, isBusbarError } from "@busbar/core";
import type { EventProvider } from "@busbar/core/provider";
import { createMemoryProvider } from "@busbar/core/memory";
import { describe, expect, onTestFinished, test } from "vitest";
import { flakyProvider, type FlakyProviderOptions, testingProvider } from "../src/index.ts";

async function startFlaky(
  inner: EventProvider,
  options: FlakyProviderOptions,
): Promise<{ readonly bus: EventBus; readonly seen: number[] }> {
  const bus = createEventBus({ provider: flakyProvider(inner, options) });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  const seen: number[] = [];
  bus.subscribe<number>("n", ({ data }) => void seen.push(data), { subscriberId: "s" });
  await bus.start();
  return { bus, seen };
}

/** Emits 1 to 6, and tells which of them were rejected. */
async function emitSix(bus: EventBus): Promise<readonly number[]> {
  const rejected: number[] = [];
  for (const n of [1, 2, 3, 4, 5, 6]) await bus.emit("n", n).catch(() => rejected.push(n));
  return rejected;
}

describe("flakyProvider", () => {
  test("works around any provider", async () => {
    const memory = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
    const { bus, seen } = await startFlaky(memory, { failEvery: 3 });
    expect(await emitSix(bus)).toEqual([3, 6]);
    await bus.settled();
    expect(seen).toEqual([1, 2, 4, 5]);
    expect((await bus.health()).status).toBe("up");
    expect((await bus.inspect()).provider).toBe("memory");
  });

  test("leaves the inner provider's time and parts as they are", () => {
    const inner = testingProvider();
    const provider = flakyProvider(inner, {});
    expect(provider).toMatchObject({
      name: "testing",
      clock: inner.clock,
      random: inner.random,
      capabilities: inner.capabilities,
      subscriptions: inner.subscriptions,
      admin: inner.admin,
    });
  });

  test("refuses so that the bus tries again, where that is asked for", async () => {
    const inner = testingProvider();
    const { bus, seen } = await startFlaky(inner, { failEvery: 2, retryable: true });
    const emitted = emitSix(bus);
    await inner.advance(1_000);
    expect(await emitted).toEqual([]);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("loses answers of what it has stored", async () => {
    const inner = testingProvider();
    const { bus, seen } = await startFlaky(inner, { loseAnswerEvery: 3 });
    expect(await emitSix(bus)).toEqual([3, 6]);
    await inner.drain();
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("hangs, and the emit rejects when its time is up", async () => {
    const inner = testingProvider();
    const { bus, seen } = await startFlaky(inner, { hangEvery: 1 });
    const failure = bus.emit("n", 1).catch((error: unknown) => error);
    await inner.advance(10_000);
    expect(isBusbarError(await failure, "BUSBAR_EMIT_TIMEOUT")).toBe(true);
    expect(seen).toEqual([]);
  });

  test("publishes twice, and settled waits for both", async () => {
    const inner = testingProvider();
    const { bus, seen } = await startFlaky(inner, { duplicateEvery: 3 });
    await emitSix(bus);
    await bus.settled();
    expect(seen.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 3, 4, 5, 6, 6]);
  });

  test("loses settlements, so that deliveries come again", async () => {
    const inner = testingProvider();
    const { bus, seen } = await startFlaky(inner, { crashEvery: 4 });
    await emitSix(bus);
    await inner.drain();
    expect(seen.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 4, 5, 6]);
  });

  test("takes whole numbers only", () => {
    expect(() => flakyProvider(testingProvider(), { failEvery: 0 })).toThrow(TypeError);
  });
});
