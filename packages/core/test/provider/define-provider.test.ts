import { describe, expect, test, vi } from "vitest";

import { createEventBus } from "../../src/event-bus.ts";
import { silentLogger } from "../../src/contract/logger.ts";
import type { ConsumeSpec, ProviderContext } from "../../src/contract/provider.ts";
import {
  defineProvider,
  type OpenConsumer,
  type OpenProvider,
} from "../../src/provider/define-provider.ts";
import { createManualClock } from "../support/manual-clock.ts";

const ACCEPTED = { status: "accepted", subscriptions: 1 } as const;
const PUBLISH = { deadline: Infinity, inHandler: false };
const NOT_RUNNING = { code: "BUSBAR_NOT_RUNNING" };
const context: ProviderContext = {
  logger: silentLogger,
  clock: createManualClock(),
  namespace: "test",
  instanceId: "1",
  deadLetters: { maxPerSubscription: 10, maxAgeMs: 10 },
  orphanedAfterMs: 10,
  report() {},
};
const spec: ConsumeSpec = {
  subscriptionId: "mail",
  events: ["a"],
  ordering: "none",
  onOrderedFailure: "park",
  aliases: [],
  concurrency: 1,
};

function setUp(overrides: Partial<OpenProvider<"admin">> = {}) {
  const calls: string[] = [];
  const consumer: OpenConsumer = {
    close: async ({ graceMs }) => void calls.push(`consumer ends within ${graceMs}`),
    wake: () => void calls.push("consumer wakes"),
  };
  const open = vi.fn(async (..._given: unknown[]) => ({
    publish: async () => [ACCEPTED],
    consume: async () => ({ ...consumer }),
    admin: {
      stats: async () => [],
      listDead: async () => ({ items: [] }),
      replayDead: async (_id: string, ids: readonly string[]) => ids.length,
      discardDead: async () => 0,
    },
    close: async () => void calls.push("close"),
    ...overrides,
  }));
  const provider = defineProvider({
    name: "test",
    capabilities: {
      durable: true,
      payload: "fresh",
      delay: true,
      retryDelay: true,
      redeliverAfterMs: 5,
    },
    parts: ["admin"],
    open,
  });
  return { provider, open, calls };
}

describe("defineProvider", () => {
  test("declines capabilities that are not named, and has the parts that are", () => {
    const { provider } = setUp();

    expect(provider.capabilities).toEqual({
      durable: true,
      payload: "fresh",
      delay: true,
      retryDelay: true,
      priority: false,
      deduplication: false,
      ordering: false,
      redeliverAfterMs: 5,
    });
    expect([provider.admin !== undefined, provider.groups, provider.subscriptions]).toEqual([
      true,
      undefined,
      undefined,
    ]);
  });

  test("has the optional methods of its parts that are named, and no others", async () => {
    const admin = {
      stats: async () => [],
      listDead: async () => ({ items: [] }),
      replayDead: async () => 0,
      discardDead: async () => 0,
      getDead: async () => [],
      drain: async () => 3,
    };
    const provider = defineProvider({
      name: "test",
      capabilities: { durable: false, payload: "fresh", redeliverAfterMs: 5 },
      parts: ["admin"],
      optional: ["getDead"],
      open: async () => ({
        publish: async () => [],
        consume: async () => ({ close: async () => {} }),
        admin,
        close: async () => {},
      }),
    });
    expect(provider.admin.drain).toBeUndefined();
    await expect(provider.admin.getDead?.("mail", [])).rejects.toMatchObject(NOT_RUNNING);
    await provider.start(context);
    expect(await provider.admin.getDead?.("mail", [])).toEqual([]);
  });

  test("opens once, and passes calls on while it is open", async () => {
    const { provider, open } = setUp();

    await provider.start(context);

    await expect(provider.start(context)).rejects.toThrow(TypeError);
    expect(open.mock.calls).toEqual([[context, { signal: expect.any(AbortSignal) }]]);
    expect(await provider.publish([], PUBLISH)).toEqual([ACCEPTED]);
    expect(await provider.admin.replayDead("mail", ["1", "2"])).toBe(2);
    expect(await provider.probe?.()).toEqual({ ok: true });
  });

  test("rejects before start and after stop, and its probe says no", async () => {
    const { provider } = setUp();
    const expectClosed = async (): Promise<void> => {
      await expect(provider.publish([], PUBLISH)).rejects.toMatchObject(NOT_RUNNING);
      await expect(provider.consume(spec, vi.fn())).rejects.toMatchObject(NOT_RUNNING);
      await expect(provider.admin.stats()).rejects.toMatchObject({
        details: { method: "admin.stats" },
      });
      expect(await provider.probe()).toEqual({
        ok: false,
        detail: `Provider "test" is not running`,
      });
    };

    await expectClosed();
    await provider.start(context);
    await provider.stop({ graceMs: 0 });

    await expectClosed();
  });

  test("asks the open provider's own probe", async () => {
    const { provider } = setUp({ probe: async () => ({ ok: false, detail: "away" }) });

    await provider.start(context);

    expect(await provider.probe?.()).toEqual({ ok: false, detail: "away" });
  });

  test("may be started again when it could not be opened", async () => {
    const { provider, open } = setUp();
    open.mockRejectedValueOnce(new Error("no broker"));

    await expect(provider.start(context)).rejects.toThrow("no broker");
    await provider.stop({ graceMs: 0 });
    await provider.start(context);

    expect(await provider.publish([], PUBLISH)).toEqual([ACCEPTED]);
  });

  test("ends its consumers, and closes once, however often it is stopped", async () => {
    const { provider, calls } = setUp();
    await provider.stop({ graceMs: 0 });
    await provider.start(context);
    await provider.consume(spec, vi.fn());
    const ended = await provider.consume(spec, vi.fn());
    await ended.close({ graceMs: 1 });

    await Promise.all([provider.stop({ graceMs: 7 }), provider.stop({ graceMs: 8 })]);
    await provider.stop({ graceMs: 9 });

    expect(calls).toEqual(["consumer ends within 1", "consumer ends within 7", "close"]);
  });

  test("drains first, where there is anything to drain", async () => {
    const drained: number[] = [];
    const { provider, calls } = setUp({
      drain: async ({ graceMs }) => void drained.push(graceMs),
    });
    await provider.start(context);
    await provider.consume(spec, vi.fn());

    await provider.stop({ graceMs: 7 });

    expect(drained).toEqual([7]);
    expect(calls).toEqual(["consumer ends within 0", "close"]);
  });

  test("wakes its consumers when something was published or replayed", async () => {
    const { provider, calls } = setUp();
    await provider.start(context);
    await provider.consume(spec, vi.fn());

    await provider.publish([], PUBLISH);
    await provider.admin.discardDead("mail", []);
    await provider.admin.replayDead("mail", ["1"]);

    expect(calls).toEqual(["consumer wakes", "consumer wakes"]);
  });

  test("that is not durable waits for its consumers to be idle, all at once, before it ends them", async () => {
    const calls: string[] = [];
    const finish: (() => void)[] = [];
    const clock = createManualClock();
    // The first finds something in each of two looks, the second one what the first has published.
    const consumerOf = (id: string, looks: number): OpenConsumer => ({
      whenIdle() {
        if (looks-- <= 0) return undefined;
        return new Promise<void>((resolve) => finish.push(resolve));
      },
      close: async ({ graceMs }) => void calls.push(`${id} ends within ${graceMs}`),
    });
    const made = [consumerOf("one", 2), consumerOf("other", 1)];
    const provider = defineProvider({
      name: "test",
      capabilities: { durable: false, payload: "fresh", redeliverAfterMs: 0 },
      open: async () => ({
        publish: async () => [ACCEPTED],
        consume: async () => made.shift() as OpenConsumer,
        close: async () => void calls.push("close"),
      }),
    });
    await provider.start({ ...context, clock });
    await provider.consume(spec, vi.fn());
    await provider.consume(spec, vi.fn());
    const stop = provider.stop({ graceMs: 100 });
    for (const count of [2, 1]) {
      await vi.waitFor(() => expect(finish).toHaveLength(count));
      expect(calls).toEqual([]);
      for (const end of finish.splice(0)) end();
    }
    await stop;
    expect(calls).toEqual(["one ends within 100", "other ends within 100", "close"]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("has the shortcuts that are named, while it is open, and wakes consumers after them", async () => {
    const { provider: plain } = setUp();
    expect(plain.tryPublish).toBeUndefined();

    const wake = vi.fn();
    const nothing = async (): Promise<never> => Promise.reject(new Error("not in this test"));
    const provider = defineProvider({
      name: "test",
      capabilities: { durable: false, payload: "fresh", redeliverAfterMs: 0 },
      parts: ["groups"],
      shortcuts: ["tryPublish", "known"],
      open: async () => ({
        publish: async () => [ACCEPTED],
        tryPublish: () => [ACCEPTED],
        consume: async () => ({ wake, close: async () => {} }),
        groups: {
          stage: nothing,
          mark: nothing,
          claim: nothing,
          complete: nothing,
          abandon: nothing,
          clear: nothing,
          list: async () => [],
          known: { take: () => [], release: async () => [ACCEPTED] },
        },
        close: async () => {},
      }),
    });
    const release = () => provider.groups.known?.release("g", [], [], PUBLISH);
    expect(provider.tryPublish?.([])).toBeUndefined();
    expect(provider.groups.known?.take("g")).toBeUndefined();
    await expect(release()).rejects.toMatchObject(NOT_RUNNING);

    await provider.start(context);
    await provider.consume(spec, vi.fn());
    expect(provider.tryPublish?.([])).toEqual([ACCEPTED]);
    expect(provider.groups.known?.take("g")).toEqual([]);
    expect(await release()).toEqual([ACCEPTED]);
    expect(wake).toHaveBeenCalledTimes(2);

    await provider.stop({ graceMs: 0 });
    expect(provider.tryPublish?.([])).toBeUndefined();
    await expect(release()).rejects.toMatchObject(NOT_RUNNING);
  });

  describe("that is stopped while it opens", () => {
    function opening(clock = createManualClock()) {
      let signal: AbortSignal | undefined;
      let settle!: { resolve: (open: OpenProvider) => void; reject: (error: Error) => void };
      const provider = defineProvider({
        name: "test",
        capabilities: { durable: false, payload: "fresh", redeliverAfterMs: 0 },
        open: (_context, options) => {
          signal = options.signal;
          return new Promise<OpenProvider>((resolve, reject) => (settle = { resolve, reject }));
        },
      });
      const start = provider.start({ ...context, clock });
      const started = start.then(
        () => "started",
        (error: unknown) => error,
      );
      return { provider, started, clock, settle, isAborted: () => signal?.aborted };
    }

    test("tells open by a signal, and waits for its end", async () => {
      const { provider, started, settle, isAborted } = opening();
      expect(isAborted()).toBe(false);
      const stop = provider.stop({ graceMs: 100 });
      expect(isAborted()).toBe(true);
      settle.reject(new Error("given up"));
      await stop;
      expect(await started).toMatchObject({ message: "given up" });
    });

    test("leaves open a moment to close what it has made, also without a grace", async () => {
      const { provider, started, clock, settle } = opening();
      let ended = false;
      const stop = provider.stop({ graceMs: 0 }).then(() => (ended = true));
      await clock.advance(0);
      expect(ended).toBe(false);
      settle.reject(new Error("given up"));
      await stop;
      expect(clock.pendingTimers()).toBe(0);
      expect(await started).toMatchObject({ message: "given up" });
    });

    test("may not be followed by another start", async () => {
      const { provider, started, clock, settle } = opening();
      const stop = provider.stop({ graceMs: 0 });
      settle.reject(new Error("given up"));
      await Promise.all([stop, started]);
      await expect(provider.start({ ...context, clock })).rejects.toThrow(TypeError);
    });

    test("ends within its grace while open hangs, and closes what is opened later", async () => {
      const { provider, started, clock, settle } = opening();
      let ended = false;
      const stop = provider.stop({ graceMs: 100 }).then(() => (ended = true));
      await clock.advance(99);
      expect(ended).toBe(false);
      await clock.advance(1);
      await stop;
      expect(clock.pendingTimers()).toBe(0);
      const close = vi.fn(async () => {});
      settle.resolve({ publish: async () => [], consume: async () => ({ close }), close });
      expect(await started).toMatchObject(NOT_RUNNING);
      expect(close).toHaveBeenCalledOnce();
      expect(await provider.probe()).toEqual({
        ok: false,
        detail: `Provider "test" is not running`,
      });
    });

    test("does not keep a bus from stopping within its grace, nor rejects for it", async () => {
      const never = createEventBus({
        provider: defineProvider({
          name: "never",
          capabilities: { durable: false, payload: "fresh", redeliverAfterMs: 0 },
          open: () => new Promise<never>(() => {}),
        }),
      });
      void never.start();
      await never.stop({ graceMs: 20 });
      expect((await never.health()).status).toBe("down");
    });
  });
});
