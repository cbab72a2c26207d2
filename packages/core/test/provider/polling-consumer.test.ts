import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test, vi } from "vitest";

import type { Delivery, Settlement } from "../../src/contract/provider.ts";
import {
  createPollingConsumer,
  type PollingConsumerOptions,
} from "../../src/provider/polling-consumer.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";

/** A store of numbered deliveries, with a handler that a test ends one by one. */
function setUp(overrides: Partial<PollingConsumerOptions<number>> = {}) {
  const clock = createManualClock();
  const waiting: number[] = [];
  const running = new Map<number, (settlement: Settlement) => void>();
  const settled: [number, string][] = [];
  const released: number[] = [];
  const extended: number[][] = [];
  const warnings: string[] = [];
  let wake = (): void => {};
  const fetch = vi.fn(async (limit: number) =>
    waiting.splice(0, limit).map((token) => ({ token, delivery: deliveryOf(token) })),
  );
  const consumer = createPollingConsumer<number>({
    concurrency: 2,
    clock,
    logger: {
      debug() {},
      info() {},
      error() {},
      warn: (_fields, message) => warnings.push(message),
    },
    fetch,
    deliver: ({ envelope }) => new Promise((resolve) => running.set(Number(envelope.id), resolve)),
    settle: async (token, settlement) => void settled.push([token, settlement.type]),
    release: async (tokens) => void released.push(...tokens),
    extend: async (tokens) => void extended.push([...tokens]),
    extendEveryMs: 100,
    pollEveryMs: 1000,
    random: () => 0,
    wake: (callback) => {
      wake = callback;
      return () => (wake = () => {});
    },
    ...overrides,
  });
  return {
    clock,
    consumer,
    waiting,
    running,
    settled,
    released,
    extended,
    warnings,
    fetch,
    wake: () => wake(),
    end: (token: number) => running.get(token)?.({ type: "ack" }),
  };
}

function deliveryOf(token: number): Delivery {
  const metadata = { created_at: 0, published_at: 0, correlationId: "c" };
  return { envelope: { id: String(token), name: "a", data: null, metadata }, crashes: 0 };
}

describe("createPollingConsumer", () => {
  test("fetches as many as there are free slots, and the next when one is free", async () => {
    const it = setUp();
    it.waiting.push(1, 2, 3);
    it.wake();
    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1, 2]));

    it.end(1);

    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1, 2, 3]));
    expect(it.settled).toEqual([[1, "ack"]]);
    expect(it.fetch.mock.calls.map(([limit]) => limit)).not.toContain(0);
  });

  test("is idle once nothing is in flight, and a fetch has found nothing", async () => {
    const it = setUp();
    await idle();
    expect(it.consumer.whenIdle()).toBeUndefined();
    it.waiting.push(1);
    it.consumer.wake();
    let isIdle = false;
    void it.consumer.whenIdle()?.then(() => (isIdle = true));
    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1]));
    it.waiting.push(2);
    it.end(1);
    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1, 2]));
    expect(isIdle).toBe(false);
    it.end(2);
    await vi.waitFor(() => expect(isIdle).toBe(true));
    expect(it.consumer.whenIdle()).toBeUndefined();
  });

  test("pauses after a release, so that a delivery nobody wants does not go to and fro", async () => {
    const waiting = [1];
    const deliver = vi.fn(async (): Promise<Settlement> => ({ type: "release" }));
    const it = setUp({
      deliver,
      fetch: async (limit) =>
        waiting.splice(0, limit).map((token) => ({ token, delivery: deliveryOf(token) })),
      settle: async (token) => void waiting.push(token),
    });
    await idle();
    expect(deliver).toHaveBeenCalledTimes(1);
    await it.clock.advance(10);
    expect(deliver).toHaveBeenCalledTimes(2);
  });

  test("goes on after it was woken while all slots were taken", async () => {
    const it = setUp();
    it.waiting.push(1, 2, 3);
    it.wake();
    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1, 2]));
    await idle();

    it.wake();
    it.end(1);

    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1, 2, 3]));
  });

  test("looks again after pollEveryMs when there was nothing", async () => {
    const it = setUp();
    await vi.waitFor(() => expect(it.clock.pendingTimers()).toBe(2));
    it.waiting.push(1);

    await it.clock.advance(999);
    expect(it.running.size).toBe(0);
    await it.clock.advance(1);

    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1]));
  });

  test("leaves out up to a half of pollEveryMs, so that consumers do not poll in step", async () => {
    const it = setUp({ random: () => 0.5 });
    await vi.waitFor(() => expect(it.clock.pendingTimers()).toBe(2));
    it.waiting.push(1);

    await it.clock.advance(749);
    expect(it.running.size).toBe(0);
    await it.clock.advance(1);

    await vi.waitFor(() => expect([...it.running.keys()]).toEqual([1]));
  });

  test("goes on when a fetch fails, with growing pauses", async () => {
    let failures = 3;
    const it = setUp();
    it.fetch.mockImplementation(async () => {
      if (failures-- > 0) throw new Error("database is locked");
      return [{ token: 1, delivery: deliveryOf(1) }];
    });
    it.wake();
    await vi.waitFor(() => expect(it.warnings).toHaveLength(1));

    for (const pauseMs of [100, 200, 400]) await it.clock.advance(pauseMs);

    await vi.waitFor(() => expect(it.running.has(1)).toBe(true));
    expect(it.warnings).toHaveLength(3);
  });

  test("goes on when a settlement fails, and says that the delivery comes again", async () => {
    const it = setUp({ settle: () => Promise.reject(new Error("lease lost")) });
    it.waiting.push(1, 2, 3);
    it.wake();
    await vi.waitFor(() => expect(it.running.size).toBe(2));

    it.end(1);

    await vi.waitFor(() => expect(it.running.has(3)).toBe(true));
    expect(it.warnings).toEqual(["A delivery could not be settled; it will come again"]);
  });

  test("gives a delivery for which deliver rejects to crash()", async () => {
    const crashed: number[] = [];
    const it = setUp({
      deliver: () => Promise.reject(new Error("out of memory")),
      crash: async (token) => void crashed.push(token),
    });
    it.waiting.push(1);
    it.wake();

    await vi.waitFor(() => expect(crashed).toEqual([1]));
    expect(it.settled).toEqual([]);
    expect(it.warnings).toEqual(["A delivery ended without a settlement; it will come again"]);
  });

  test("lets a store hand out a token again before its settlement has ended", async () => {
    const it = setUp({
      settle: async (token, { type }) => {
        it.settled.push([token, type]);
        if (it.settled.length > 1) return;
        it.waiting.push(token);
        it.wake();
        await idle();
      },
    });
    it.waiting.push(1);
    it.wake();
    await vi.waitFor(() => expect(it.running.size).toBe(1));
    it.running.get(1)?.({ type: "release" });
    await vi.waitFor(() => expect(it.settled).toEqual([[1, "release"]]));
    await idle();

    it.end(1);

    await vi.waitFor(() =>
      expect(it.settled).toEqual([
        [1, "release"],
        [1, "ack"],
      ]),
    );
  });

  test("renews the leases of what is in hand", async () => {
    const it = setUp();
    it.waiting.push(1);
    it.wake();
    await vi.waitFor(() => expect(it.running.size).toBe(1));

    await it.clock.advance(100);
    await it.clock.advance(100);

    expect(it.extended).toEqual([[1], [1]]);
  });

  test("close() waits for what is in hand and leaves no timer", async () => {
    const it = setUp();
    it.waiting.push(1);
    it.wake();
    await vi.waitFor(() => expect(it.running.size).toBe(1));

    const closed = it.consumer.close({ graceMs: 1000 });
    it.waiting.push(2);
    it.end(1);
    await closed;

    expect(it.settled).toEqual([[1, "ack"]]);
    expect(it.released).toEqual([]);
    expect(it.running.has(2)).toBe(false);
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("close() hands back at its deadline, and passes over what is settled later", async () => {
    const it = setUp();
    it.waiting.push(1);
    it.wake();
    await vi.waitFor(() => expect(it.running.size).toBe(1));

    const closed = it.consumer.close({ graceMs: 50 });
    await it.clock.advance(50);
    await closed;
    it.end(1);
    await idle();

    expect(it.released).toEqual([1]);
    expect(it.settled).toEqual([]);
    await it.consumer.close({ graceMs: 50 });
  });

  test("hands back what a fetch brings after close()", async () => {
    const it = setUp();
    let answer: (found: []) => void = () => {};
    await vi.waitFor(() => expect(it.clock.pendingTimers()).toBe(2));
    it.fetch.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve as never)));
    it.wake();

    const closed = it.consumer.close({ graceMs: 1000 });
    answer([{ token: 7, delivery: deliveryOf(7) }] as never);
    await closed;

    expect(it.released).toEqual([7]);
    expect(it.running.size).toBe(0);
  });

  test("settles what is left at close as released, where the store has no way of its own", async () => {
    const it = setUp({ release: undefined });
    it.waiting.push(1, 2);
    it.consumer.wake?.();
    await vi.waitFor(() => expect(it.running.size).toBe(2));

    const closing = it.consumer.close({ graceMs: 0 });
    await it.clock.advance(0);
    await closing;

    expect(it.settled).toEqual([
      [1, "release"],
      [2, "release"],
    ]);
  });

  test("looks at once when its handle wakes it, unless it is closed", async () => {
    const it = setUp();
    await vi.waitFor(() => expect(it.fetch).toHaveBeenCalledTimes(1));
    await idle();

    it.consumer.wake?.();
    await vi.waitFor(() => expect(it.fetch).toHaveBeenCalledTimes(2));
    await idle();
    await it.consumer.close({ graceMs: 0 });
    it.consumer.wake?.();

    expect(it.fetch).toHaveBeenCalledTimes(2);
  });

  test("fetches in the async context of nobody, whoever wakes it", async () => {
    const user = new AsyncLocalStorage<string>();
    const found: (string | undefined)[] = [];
    const { consumer, waiting } = setUp({
      deliver: async () => {
        found.push(user.getStore());
        return { type: "ack" };
      },
    });
    await idle();
    waiting.push(1, 2);
    user.run("ann", () => consumer.wake?.());
    await idle();
    expect(found).toEqual([undefined, undefined]);
    await consumer.close({ graceMs: 0 });
  });
});
