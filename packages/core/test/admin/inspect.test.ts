import { describe, expect, test } from "vitest";
import type { BusCounters } from "../../src/observe/counters.ts";
import type {
  EventProvider,
  ProbeResult,
  ProviderContext,
  ProviderReport,
} from "../../src/contract/provider.ts";
import {
  createGate,
  createTestBus,
  memoryProvider,
  providerLike,
  startTestBus,
} from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";

const NOTHING: BusCounters = {
  emitted: 0,
  unrouted: 0,
  duplicates: 0,
  intercepted: 0,
  acknowledged: 0,
  failed: 0,
  dead: 0,
  deadLettersDropped: 0,
  discarded: 0,
};

describe("inspect()", () => {
  test("says who the bus is, and that nothing has happened yet", async () => {
    const { bus } = await startTestBus({ name: "shop", role: "worker" });
    expect(await bus.inspect()).toEqual({
      name: "shop",
      provider: "memory",
      state: "running",
      role: "worker",
      subscriptions: [],
      groups: [],
      counters: NOTHING,
      instances: [expect.objectContaining({ here: true, role: "worker" })],
    });
  });

  test("says by how much numbers may lag behind, where a provider only estimates them", async () => {
    const inner = memoryProvider();
    const capabilities = { ...inner.capabilities, statsLagMs: 2_000 };
    const { bus } = await startTestBus({ provider: providerLike(inner, { capabilities }) });
    expect((await bus.inspect()).statsLagMs).toBe(2_000);
  });

  test("tells what the provider has declared from what this process has code for", async () => {
    const inner = memoryProvider();
    const listed = {
      ordering: "none",
      onOrderedFailure: "park",
      lastSeenAt: 0,
      orphaned: false,
      withheld: 0,
    } as const;
    const provider = providerLike(inner, {
      subscriptions: {
        ...inner.subscriptions,
        list: async () => [
          { ...listed, subscriptionId: "mail", events: ["a", "b"], aliases: ["post"] },
          { ...listed, subscriptionId: "left", events: ["a"], aliases: [] },
        ],
      },
    });
    const { bus } = createTestBus({ provider, role: "tool" });
    bus.subscribe(["b", "c"], () => {}, { subscriberId: "mail", aliases: ["letters"] });
    bus.subscribe("d", () => {}, { subscriberId: "new" });
    await bus.start();
    expect((await bus.inspect()).subscriptions).toMatchObject([
      { subscriberId: "left", here: false, declaredEvents: ["a"], ownEvents: [], aliases: [] },
      {
        subscriberId: "mail",
        events: ["a", "b", "c"],
        declaredEvents: ["a", "b"],
        ownEvents: ["b", "c"],
        aliases: ["post", "letters"],
      },
      { subscriberId: "new", declaredEvents: [], ownEvents: ["d"] },
    ]);
  });

  test("has each subscription's backlog in numbers", async () => {
    const { bus, clock } = await startTestBus();
    bus.subscribe(["a", "b.*"], () => new Promise(() => {}), {
      subscriberId: "busy",
      concurrency: 2,
    });
    bus.subscribe("a", () => Promise.reject(new Error("no")), { subscriberId: "broken" });
    bus.subscribe("a", () => {}, { subscriberId: "idle" });
    const oldestAt = new Date(clock.now() + 1000);
    await bus.emit("a", 1);
    await bus.emit("b.c", 2);
    await clock.advance(1000);
    await bus.emit("a", 3);
    await clock.advance(1000);
    await bus.emit("a", 4);
    await bus.emit("b.c", 5, { delay: 60_000 });
    await idle();
    const common = {
      here: true,
      paused: false,
      pausedEverywhere: false,
      aliases: [],
      orphaned: false,
      withheld: 0,
    };
    const taking = (events: string[]) => ({ events, declaredEvents: events, ownEvents: events });
    const none = { ready: 0, delayed: 0, inFlight: 0, dead: 0, oldestAt: undefined };
    expect((await bus.inspect()).subscriptions).toEqual([
      {
        subscriberId: "broken",
        subscriptionId: "broken",
        ...taking(["a"]),
        ...common,
        ...none,
        dead: 3,
      },
      {
        subscriberId: "busy",
        subscriptionId: "busy",
        ...taking(["a", "b.*"]),
        ...common,
        ready: 2,
        delayed: 1,
        inFlight: 2,
        dead: 0,
        oldestAt,
      },
      { subscriberId: "idle", subscriptionId: "idle", ...taking(["a"]), ...common, ...none },
    ]);
  });

  test("counts those that wait behind another of their key as delayed", async () => {
    const { bus } = await startTestBus();
    bus.subscribe("a", () => new Promise(() => {}), { subscriberId: "s", ordering: "key" });
    for (const orderingKey of ["k", "k", "k", "other"]) await bus.emit("a", 1, { orderingKey });
    await idle();
    expect((await bus.inspect()).subscriptions).toMatchObject([
      { ready: 0, delayed: 2, inFlight: 2 },
    ]);
  });

  test("has the subscriptions that only other processes have code for", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, {
      subscriptions: {
        ...inner.subscriptions,
        list: async () => [
          {
            subscriptionId: "elsewhere",
            events: ["a"],
            ordering: "none",
            onOrderedFailure: "park",
            aliases: [],
            lastSeenAt: 0,
            orphaned: true,
            withheld: 7,
          },
          ...(await inner.subscriptions.list()),
        ],
      },
    });
    const { bus } = await startTestBus({ provider });
    collect(bus, { subscriberId: "here" }, "b");
    await bus.emit("b", 1);
    expect((await bus.inspect()).subscriptions).toMatchObject([
      { subscriberId: "elsewhere", events: ["a"], here: false, orphaned: true, withheld: 7 },
      { subscriberId: "here", events: ["b"], here: true, orphaned: false, withheld: 0 },
    ]);
  });

  test("has staged groups, with the time of their first event", async () => {
    const { bus, clock } = await startTestBus();
    const stagedAt = new Date(clock.now());
    const event = (eventGroupId: string) => ({ name: "a", data: 1, metadata: { eventGroupId } });
    await bus.emit([event("g"), event("h")]);
    await clock.advance(1000);
    await bus.emit(event("g"));
    expect((await bus.inspect()).groups).toEqual([
      { eventGroupId: "g", events: 2, stagedAt, marked: false },
      { eventGroupId: "h", events: 1, stagedAt, marked: false },
    ]);
  });

  test.each<
    [
      keyof BusCounters,
      (test: Awaited<ReturnType<typeof startTestBus>>) => Promise<unknown>,
      Partial<BusCounters>,
    ]
  >([
    [
      "emitted",
      ({ bus }) => bus.emit([1, 2].map((data) => ({ name: "fine", data }))),
      { emitted: 2, acknowledged: 2 },
    ],
    ["unrouted", ({ bus }) => bus.emit("nobody", 1), { emitted: 1, unrouted: 1 }],
    [
      "duplicates",
      async ({ bus }) => {
        for (const data of [1, 2]) await bus.emit("fine", data, { deduplicationId: "1" });
      },
      { emitted: 1, duplicates: 1, acknowledged: 1 },
    ],
    [
      "intercepted",
      async ({ bus }) => {
        bus.addInterceptor(() => null);
        await bus.emit("fine", 1);
      },
      { intercepted: 1 },
    ],
    [
      "failed",
      async ({ bus }) => void (await bus.emit("flaky", 1, { attempts: 2 })),
      { emitted: 1, failed: 1, acknowledged: 1 },
    ],
    [
      "dead",
      ({ bus }) => bus.emit("broken", 1, { attempts: 2 }),
      { emitted: 1, failed: 2, dead: 1 },
    ],
    [
      "deadLettersDropped",
      ({ bus }) => bus.emit([1, 2, 3, 4].map((data) => ({ name: "broken", data }))),
      { emitted: 4, failed: 4, dead: 4, deadLettersDropped: 2 },
    ],
    [
      "discarded",
      async ({ bus, clock }) => {
        await bus.emit({ name: "fine", data: 1, metadata: { eventGroupId: "g" } });
        await clock.advance(1000);
      },
      { discarded: 1 },
    ],
  ])("counts what was %s", async (_, act, expected) => {
    const test = await startTestBus({ deadLetters: { maxPerSubscription: 2 }, groupTtlMs: 1000 });
    const { bus } = test;
    bus.subscribe("fine", () => {}, { subscriberId: "fine" });
    bus.subscribe("broken", () => Promise.reject(new Error("no")), { subscriberId: "broken" });
    bus.subscribe(
      "flaky",
      (_event, { attempt }) => {
        if (attempt === 1) throw new Error("no");
      },
      { subscriberId: "flaky" },
    );
    await act(test);
    await bus.settled();
    expect((await bus.inspect()).counters).toEqual({ ...NOTHING, ...expected });
  });

  test("its numbers do not change afterwards", async () => {
    const { bus } = await startTestBus();
    const before = await bus.inspect();
    await bus.emit("a", 1);
    expect(before.counters).toEqual(NOTHING);
  });

  test("can be asked for within a handler while the bus stops", async () => {
    const { bus } = await startTestBus();
    const gate = createGate();
    const states: string[] = [];
    bus.subscribe("a", async () => {
      await gate.opened;
      states.push((await bus.inspect()).state);
    });
    await bus.emit("a", 1);
    await idle();
    const stop = bus.stop();
    await idle();
    gate.open();
    await stop;
    expect(states).toEqual(["stopping"]);
  });
});

describe("health()", () => {
  function reportingProvider(probe?: () => Promise<ProbeResult>) {
    const inner = memoryProvider();
    let context: ProviderContext | undefined;
    const provider: EventProvider = providerLike(inner, {
      start: async (given) => {
        context = given;
        await inner.start(given);
      },
      ...(probe && { probe }),
    });
    return { provider, report: (report: ProviderReport) => context?.report(report) };
  }

  test("is down before start, up while the bus runs, and down after stop", async () => {
    const { bus, clock } = createTestBus({ provider: reportingProvider().provider });
    const at = (): Date => new Date(clock.now());
    const madeAt = at();
    await clock.advance(1000);
    expect(await bus.health()).toEqual({
      status: "down",
      since: madeAt,
      state: "new",
      consuming: false,
      provider: "memory",
      detail: "has not started",
    });
    const startedAt = at();
    await bus.start();
    await clock.advance(1000);
    expect(await bus.health()).toEqual({
      status: "up",
      since: startedAt,
      state: "running",
      consuming: true,
      provider: "memory",
      detail: undefined,
    });
    const stoppedAt = at();
    await bus.stop();
    await clock.advance(1000);
    expect(await bus.health()).toEqual({
      status: "down",
      since: stoppedAt,
      state: "stopped",
      consuming: false,
      provider: "memory",
      detail: "has stopped",
    });
  });

  test("is what the provider reports, since the status changed", async () => {
    const { provider, report } = reportingProvider();
    const { bus, clock, logger } = await startTestBus({ provider });
    const startedAt = clock.now();
    const steps: [ProviderReport, string, number, string | undefined][] = [
      [{ type: "state", state: "ready" }, "up", 0, undefined],
      [{ type: "state", state: "degraded", cause: new Error("slow") }, "degraded", 2000, "slow"],
      [{ type: "state", state: "degraded" }, "degraded", 2000, "degraded"],
      [
        { type: "state", state: "down", cause: new Error("ECONNRESET") },
        "down",
        4000,
        "ECONNRESET",
      ],
      [{ type: "state", state: "connecting" }, "down", 4000, "connecting"],
      [{ type: "state", state: "ready" }, "up", 6000, undefined],
    ];
    for (const [given, status, since, detail] of steps) {
      await clock.advance(1000);
      report(given);
      expect(await bus.health()).toMatchObject({
        status,
        since: new Date(startedAt + since),
        consuming: true,
        detail,
      });
    }
    expect(logger.lines.map(({ level }) => level)).toEqual([
      "info",
      "warn",
      "warn",
      "warn",
      "info",
      "info",
    ]);
  });

  test("asks the provider's probe, and changes nothing", async () => {
    let probe: ProbeResult = { ok: true };
    let probes = 0;
    const { provider } = reportingProvider(async () => {
      probes += 1;
      return probe;
    });
    const { bus, clock } = await startTestBus({ provider });
    const startedAt = new Date(clock.now());
    await clock.advance(1000);
    expect(await bus.health()).toMatchObject({ status: "up", since: startedAt });
    probe = { ok: false, detail: "no room on disk" };
    const brokenAt = new Date(clock.now());
    expect(await bus.health()).toMatchObject({
      status: "degraded",
      since: brokenAt,
      detail: "no room on disk",
    });
    await clock.advance(1000);
    expect(await bus.health()).toMatchObject({ status: "degraded", since: brokenAt });
    probe = { ok: true };
    expect(await bus.health()).toMatchObject({ status: "up", since: new Date(clock.now()) });
    await bus.stop();
    expect(await bus.health()).toMatchObject({ status: "down", detail: "has stopped" });
    expect(probes).toBe(4);
  });

  test.each<[string, () => Promise<ProbeResult>]>([
    ["rejects", () => Promise.reject(new Error("ECONNREFUSED"))],
    [
      "throws",
      () => {
        throw new Error("ECONNREFUSED");
      },
    ],
  ])("answers when the probe %s", async (_, probe) => {
    const { provider } = reportingProvider(probe);
    const { bus } = await startTestBus({ provider });
    expect(await bus.health()).toMatchObject({ status: "degraded", detail: "ECONNREFUSED" });
  });

  test("a probe does not make up for what the provider reports", async () => {
    const { provider, report } = reportingProvider(async () => ({ ok: true }));
    const { bus } = await startTestBus({ provider });
    report({ type: "state", state: "degraded", cause: new Error("one of two consumers is gone") });
    expect(await bus.health()).toMatchObject({
      status: "degraded",
      detail: "one of two consumers is gone",
    });
  });

  test("is down after a start that failed", async () => {
    const inner = memoryProvider();
    const provider = providerLike(inner, { start: () => Promise.reject(new Error("no")) });
    const { bus } = createTestBus({ provider });
    await bus.start().catch(() => {});
    expect(await bus.health()).toMatchObject({ status: "down", consuming: false });
  });

  test('says that a process with the role "server" consumes nothing', async () => {
    const inner = memoryProvider();
    const capabilities = { ...inner.capabilities, durable: true };
    const { bus } = await startTestBus({
      provider: providerLike(inner, { capabilities }),
      role: "server",
    });
    expect(await bus.health()).toMatchObject({ status: "up", consuming: false });
  });

  test("does not change by reports of what was discarded or dropped, which are counted", async () => {
    const { provider, report } = reportingProvider();
    const { bus } = await startTestBus({ provider });
    report({ type: "discarded", subscriptionId: "s", count: 3 });
    report({ type: "dead-letters-dropped", subscriptionId: "s", count: 2 });
    expect(await bus.health()).toMatchObject({ status: "up" });
    expect((await bus.inspect()).counters).toMatchObject({ discarded: 3, deadLettersDropped: 2 });
  });
});
