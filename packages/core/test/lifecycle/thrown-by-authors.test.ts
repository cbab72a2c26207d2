import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { Logger } from "../../src/contract/logger.ts";
import type { EventProvider, ProviderContext } from "../../src/contract/provider.ts";
import { definePlugin } from "../../src/contract/plugin.ts";
import { createEventBus } from "../../src/event-bus.ts";
import { defineProvider, type OpenProvider } from "../../src/provider/define-provider.ts";
import { silentLogger } from "../../src/contract/logger.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { memoryProvider, providerLike } from "../support/test-bus.ts";

const SECRET = "hunter2-6f1c";

/** What the code of an author may throw: drivers put commands, parameters and URLs into their errors. */
const THROWN: Readonly<Record<string, () => unknown>> = {
  "an error of a driver": () =>
    Object.assign(new Error(`connect redis://shop:${SECRET}@redis:6379`), {
      command: { name: "eval", args: [SECRET] },
      cause: Object.assign(new Error("refused"), { parameters: [SECRET] }),
    }),
  "a TypeError": () => Object.assign(new TypeError("Invalid URL"), { input: SECRET }),
  "a proxy that throws": () =>
    new Proxy(new Error("x"), {
      get() {
        throw new Error(SECRET);
      },
    }),
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "a symbol": () => Symbol(SECRET),
  "an object": () => ({ password: SECRET }),
};

/** All of an error, as the most curious serialiser would show it. */
function look(value: unknown): string {
  return inspect(value, { depth: 10, showHidden: true, maxStringLength: null });
}

function providerContext(): ProviderContext {
  return {
    logger: silentLogger,
    clock: createManualClock(),
    namespace: "test",
    instanceId: "1",
    deadLetters: { maxPerSubscription: 10, maxAgeMs: 10 },
    orphanedAfterMs: 10,
    report() {},
  };
}

async function rejection(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it did not reject");
}

function expectSafe(error: unknown): void {
  expect(error).toBeInstanceOf(Error);
  expect(look(error)).not.toContain(SECRET);
}

/** A logger that keeps what it is given. */
function createLines(): { readonly logger: Logger; readonly lines: unknown[] } {
  const lines: unknown[] = [];
  const add = (...line: unknown[]): void => void lines.push(line);
  return { logger: { debug: add, info: add, warn: add, error: add }, lines };
}

describe.each(Object.entries(THROWN))("%s", (_, make) => {
  const fail = (): never => {
    throw make();
  };
  const reject = async (): Promise<never> => fail();

  describe.each([
    ["thrown", fail],
    ["rejected with", reject],
  ])("%s", (__, work) => {
    const admin = { stats: work, listDead: work, replayDead: work, discardDead: work };
    const groups = {
      stage: work,
      mark: work,
      claim: work,
      complete: work,
      abandon: work,
      clear: work,
      list: work,
    };

    function setUp(overrides: Partial<OpenProvider<"admin" | "subscriptions" | "groups">> = {}) {
      return defineProvider({
        name: "theirs",
        capabilities: {
          durable: true,
          payload: "fresh",
          delay: true,
          retryDelay: true,
          redeliverAfterMs: 5,
        },
        parts: ["admin", "subscriptions", "groups"],
        open: async () => ({
          publish: work,
          consume: work,
          probe: work,
          serverTime: work,
          admin,
          subscriptions: { declare: work, list: work, retire: work },
          groups,
          close: work,
          ...overrides,
        }),
      });
    }

    test("by a method of a defined provider reaches its caller as a safe error", async () => {
      const provider = setUp();
      await provider.start(providerContext());
      const options = { deadline: Infinity, inHandler: false };
      const calls: readonly (() => unknown)[] = [
        () => provider.publish([], options),
        () => provider.consume({} as never, () => Promise.resolve({ type: "ack" })),
        () => provider.probe?.(),
        () => provider.serverTime?.(),
        () => provider.admin.stats(),
        () => provider.admin.listDead("mail", { limit: 1 }),
        () => provider.admin.replayDead("mail", []),
        () => provider.admin.discardDead("mail", []),
        () => provider.subscriptions.declare([]),
        () => provider.subscriptions.list(),
        () => provider.subscriptions.retire("mail", { backlog: "keep" }),
        () => provider.groups.stage("g", [], { ttlMs: undefined }),
        () => provider.groups.mark("g"),
        () => provider.groups.claim({ leaseMs: 1 }),
        () => provider.groups.complete({} as never, [], options),
        () => provider.groups.abandon({} as never),
        () => provider.groups.clear("g", {}),
        () => provider.groups.list(),
        () => provider.stop({ graceMs: 0 }),
      ];
      for (const call of calls) expectSafe(await rejection(call));
    });

    test("by open, or by the end of a consumer, reaches its caller as a safe error", async () => {
      const { name, capabilities } = setUp();
      const unopened = defineProvider({ name, capabilities, open: work });
      expectSafe(await rejection(() => unopened.start(providerContext())));

      let isClosed = false;
      const provider = setUp({
        publish: async () => [],
        consume: async () => ({ close: work, wake: fail }),
        drain: work,
        close: async () => void (isClosed = true),
      });
      const { logger, lines } = createLines();
      await provider.start({ ...providerContext(), logger });
      const consumer = await provider.consume({} as never, async () => ({ type: "ack" }));
      expect(await provider.publish([], { deadline: Infinity, inHandler: false })).toEqual([]);
      expect(lines).toHaveLength(1);
      expectSafe(await rejection(() => consumer.close({ graceMs: 0 })));
      expectSafe(await rejection(() => provider.stop({ graceMs: 0 })));
      expect(isClosed).toBe(true);
    });

    test.each([
      ["in memory", false],
      ["durable", true],
    ])(
      "by a provider that is %s reaches users of the bus and the log as a safe error",
      async (___, durable) => {
        const inner = memoryProvider();
        const { logger, lines } = createLines();
        const bus = createEventBus({
          provider: bare({
            capabilities: { ...inner.capabilities, durable },
            publish: work,
            probe: work,
            serverTime: work,
            subscriptions: {
              ...inner.subscriptions,
              declare: async () => {},
              retire: work,
              list: work,
            },
            admin,
            groups: { ...groups, known: { take: fail, release: work } },
          }),
          logger,
        });
        await bus.start();
        const calls: readonly (() => unknown)[] = [
          () => bus.emit("a", 1),
          () => bus.emit({ name: "a", data: 1, metadata: { eventGroupId: "g" } }),
          () => bus.releaseGroupedEvents("g"),
          () => bus.clearGroupedEvents("g"),
          () => bus.retire("mail"),
          () => bus.inspect(),
          () => bus.deadLetters.list({ subscriptionId: "mail" }),
          () => bus.deadLetters.replay("mail"),
          // In memory the bus knows itself what is settled.
          ...(durable ? [() => bus.settled()] : []),
        ];
        for (const call of calls) expectSafe(await rejection(call));
        expect(look(await bus.health())).not.toContain(SECRET);
        await bus.stop({ graceMs: 0 }).catch(expectSafe);
        expect(look(lines)).not.toContain(SECRET);
      },
    );

    test("by tryPublish reaches the caller as a safe error", async () => {
      const bus = createEventBus({ provider: bare({ tryPublish: fail }), logger: silentLogger });
      await bus.start();
      const error = await rejection(() => bus.emit("a", 1));
      expectSafe(error);
      expect(error).toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
      await bus.stop({ graceMs: 0 });
    });

    test.each(["start", "stop"] as const)(
      "by %s of a provider reaches the caller safely",
      async (step) => {
        const bus = createEventBus({ provider: bare({ [step]: work }), logger: silentLogger });
        if (step === "start") expectSafe(await rejection(() => bus.start()));
        else expectSafe(await rejection(() => bus.start().then(() => bus.stop({ graceMs: 0 }))));
      },
    );

    test("by a plugin that starts or stages reaches the caller safely", async () => {
      const provider = (): EventProvider => bare({});
      const starting = createEventBus({
        provider: provider(),
        plugins: [definePlugin({ name: "theirs", start: work })],
      });
      expectSafe(await rejection(() => starting.start()));

      const staging = createEventBus({
        provider: provider(),
        plugins: [definePlugin({ name: "theirs", staging: { stage: work } })],
      });
      await staging.start();
      expectSafe(await rejection(() => staging.withTransaction({}).emit("a", 1)));
      await staging.stop({ graceMs: 0 });

      const grouping = createEventBus({
        provider: provider(),
        plugins: [
          definePlugin({
            name: "theirs",
            staging: {
              groups,
              stage: work,
            },
          }),
        ],
        logger: silentLogger,
      });
      await grouping.start();
      const grouped = { name: "a", data: 1, metadata: { eventGroupId: "g" } };
      const calls: readonly (() => unknown)[] = [
        () => grouping.emit(grouped),
        () => grouping.withTransaction({}).emit(grouped),
        () => grouping.releaseGroupedEvents("g"),
        () => grouping.clearGroupedEvents("g"),
      ];
      for (const call of calls) expectSafe(await rejection(call));
      await grouping.stop({ graceMs: 0 });
    });
  });
});

/** A provider in memory with some methods of its own, made without `defineProvider`. */
function bare(members: Partial<EventProvider>): EventProvider {
  return providerLike(memoryProvider(), members);
}

test("a RangeError of publish still says that another try is of no use", async () => {
  const refuse = (): never => {
    throw new RangeError("Too large for one record");
  };
  const defined = defineProvider({
    name: "theirs",
    capabilities: { durable: false, payload: "fresh", redeliverAfterMs: 0 },
    open: async () => ({ publish: refuse, consume: refuse, close: async () => {} }),
  });
  for (const provider of [bare({ publish: refuse }), defined]) {
    const bus = createEventBus({ provider, logger: silentLogger });
    await bus.start();
    await expect(bus.emit("a", 1)).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      details: { retryable: false },
    });
    await bus.stop({ graceMs: 0 });
  }
});

test("a statement of a query builder, which is no promise, fails safely as well", async () => {
  const statement = {
    // oxlint-disable-next-line unicorn/no-thenable
    then: (_: unknown, reject: (error: unknown) => void) => reject(THROWN["an object"]?.()),
  };
  const inner = memoryProvider();
  const provider = bare({
    subscriptions: {
      declare: (specs) => inner.subscriptions?.declare(specs) ?? Promise.resolve(),
      retire: async () => 0,
      list: () => statement as never,
    },
  });
  const bus = createEventBus({ provider, logger: silentLogger });
  await bus.start();
  expectSafe(await rejection(() => bus.inspect()));
  await bus.stop({ graceMs: 0 });
});
