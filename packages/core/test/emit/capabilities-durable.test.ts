import { describe, expect, test } from "vitest";
import type { EventMessage } from "../../src/contract/event.ts";
import type {
  Envelope,
  EventProvider,
  GroupStaging,
  ProviderCapabilities,
} from "../../src/contract/provider.ts";
import { MemoryGroupStaging } from "../../src/groups/memory-group-staging.ts";
import { createTestBus, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";

/** A durable provider, as far as the bus can tell. */
function durableProvider(
  capabilities: Partial<ProviderCapabilities> = {},
  members: Partial<EventProvider> = {},
): EventProvider {
  const inner = memoryProvider();
  return providerLike(inner, {
    name: "durable",
    capabilities: { ...inner.capabilities, durable: true, ...capabilities },
    ...members,
  });
}

describe("a durable provider", () => {
  test.each<[string, EventMessage["options"], Partial<ProviderCapabilities>]>([
    ["delay", { delay: 1000 }, { delay: false }],
    ["backoff", { attempts: 2, backoff: 1000 }, { retryDelay: false }],
    ["deduplicationId", { deduplicationId: "1" }, { deduplication: false }],
    ["orderingKey", { orderingKey: "k" }, { ordering: false }],
  ])(
    "that has no %s refuses it at emit, and sends nothing",
    async (option, options, capabilities) => {
      const { bus } = await startTestBus({ provider: durableProvider(capabilities) });
      const seen = collect(bus);
      const unsupported = { code: "BUSBAR_UNSUPPORTED", details: { provider: "durable", option } };
      await expect(bus.emit("a", 1, options)).rejects.toMatchObject(unsupported);
      await expect(
        bus.emit([
          { name: "a", data: 1 },
          { name: "a", data: 2, options },
        ]),
      ).rejects.toMatchObject(unsupported);
      await idle();
      expect(seen.data).toEqual([]);
    },
  );

  test("that has no delay refuses the option of a group's event when it is emitted", async () => {
    const { bus } = await startTestBus({
      provider: durableProvider({ delay: false }, { groups: memoryStaging() }),
    });
    const metadata = { eventGroupId: "g" };
    await expect(
      bus.emit({ name: "a", data: 1, metadata, options: { delay: 1 } }),
    ).rejects.toMatchObject({ code: "BUSBAR_UNSUPPORTED" });
    expect((await bus.inspect()).groups).toEqual([]);
  });

  test("that has no retryDelay refuses backoff at subscribe", () => {
    const { bus } = createTestBus({ provider: durableProvider({ retryDelay: false }) });
    const subscribe = () =>
      bus.subscribe("a", () => {}, { subscriberId: "s", attempts: 2, backoff: 1 });
    expect(subscribe).toThrow(
      expect.objectContaining({
        code: "BUSBAR_UNSUPPORTED",
        details: { provider: "durable", option: "backoff" },
      }),
    );
    expect(subscribe).toThrow(`the option "backoff" of subscriber "s"`);
  });

  test("that has no groups refuses them", async () => {
    const { bus } = await startTestBus({ provider: durableProvider() });
    const unsupported = {
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "durable", option: "eventGroupId" },
    };
    const grouped = { name: "a", data: 1, metadata: { eventGroupId: "g" } };
    await expect(bus.emit(grouped)).rejects.toMatchObject(unsupported);
    await expect(bus.releaseGroupedEvents("g")).rejects.toMatchObject(unsupported);
    await expect(bus.clearGroupedEvents("g")).rejects.toMatchObject(unsupported);
    expect((await bus.inspect()).groups).toEqual([]);
  });

  test("stages groups by its own part, and what they publish is counted", async () => {
    const inner = memoryProvider();
    const staging = memoryStaging((batch) =>
      inner.publish(batch, { deadline: Number.POSITIVE_INFINITY, inHandler: false }),
    );
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, durable: true },
      groups: staging,
    });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus, { subscriberId: "s" }, "a");
    const metadata = { eventGroupId: "g" };
    await bus.emit(["a", "b"].map((name) => ({ name, data: name, metadata })));
    expect(await staging.list()).toMatchObject([{ eventGroupId: "g", events: 2 }]);
    expect((await bus.inspect()).counters.emitted).toBe(0);
    await bus.releaseGroupedEvents("g");
    await idle();
    expect(seen.data).toEqual(["a"]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 2, unrouted: 1 });
  });

  test("finishes what another process has marked and not released", async () => {
    const inner = memoryProvider();
    const staging = memoryStaging((batch) =>
      inner.publish(batch, { deadline: Number.POSITIVE_INFINITY, inHandler: false }),
    );
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, durable: true },
      groups: staging,
    });
    const { bus, clock } = await startTestBus({ provider });
    const seen = collect(bus);
    for (const eventGroupId of ["marked", "not-marked"]) {
      await bus.emit({ name: "a", data: eventGroupId, metadata: { eventGroupId } });
    }
    await staging.mark("marked");
    await clock.advance(10_000);
    expect(seen.data).toEqual(["marked"]);
    expect((await bus.inspect()).groups).toMatchObject([{ eventGroupId: "not-marked" }]);
  });

  test("that cannot stage events makes the emit reject with BUSBAR_UNAVAILABLE", async () => {
    const cause = new Error("ECONNREFUSED");
    const groups = { ...staging({ stage: () => Promise.reject(cause) }) };
    const { bus } = await startTestBus({ provider: durableProvider({}, { groups }) });
    await expect(
      bus.emit({ id: "1", name: "a", data: 1, metadata: { eventGroupId: "g" } }),
    ).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE", cause });
  });

  test("that does not answer when events are staged leaves their outcome unknown", async () => {
    const groups = staging({ stage: () => new Promise(() => {}) });
    const { bus, clock } = await startTestBus({ provider: durableProvider({}, { groups }) });
    const emit = expect(
      bus.emit({ id: "1", name: "a", data: 1, metadata: { eventGroupId: "g" } }),
    ).rejects.toMatchObject({ code: "BUSBAR_EMIT_TIMEOUT", details: { unknown: ["1"] } });
    await clock.advance(10_000);
    await emit;
  });

  test('declares subscriptions at start, also with the role "server", and again every minute', async () => {
    const inner = memoryProvider();
    const declared: string[][] = [];
    let consumed = 0;
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, durable: true },
      consume: (spec, deliver) => {
        consumed += 1;
        return inner.consume(spec, deliver);
      },
      subscriptions: {
        ...inner.subscriptions,
        declare: (specs) => {
          declared.push(specs.map(({ subscriptionId }) => subscriptionId));
          return inner.subscriptions.declare(specs);
        },
      },
    });
    const { bus, clock } = createTestBus({ provider, role: "server" });
    collect(bus);
    await bus.start();
    expect(declared).toEqual([["collector"]]);
    await clock.advance(60_000);
    expect(declared).toEqual([["collector"], ["collector"]]);
    await bus.emit("a", 1);
    await idle();
    expect(consumed).toBe(0);
    expect((await bus.inspect()).subscriptions).toMatchObject([{ ready: 1, here: true }]);
  });

  test('declares and consumes nothing with the role "tool", which may emit and inspect', async () => {
    const inner = memoryProvider();
    const calls: string[] = [];
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, durable: true },
      consume: (spec, deliver) => {
        calls.push("consume");
        return inner.consume(spec, deliver);
      },
      subscriptions: {
        ...inner.subscriptions,
        declare: (specs) => {
          calls.push("declare");
          return inner.subscriptions.declare(specs);
        },
        list: () => {
          calls.push("list");
          return inner.subscriptions.list();
        },
      },
    });
    const { bus, clock, logger } = createTestBus({ provider, role: "tool" });
    collect(bus);
    bus.subscribe("b", () => {});
    await bus.start();
    bus.subscribe("c", () => {}, { subscriberId: "later" });
    await clock.advance(180_000);
    await bus.emit("a", 1);
    expect(calls).toEqual([]);
    expect(logger.lines.filter(({ level }) => level !== "info")).toEqual([]);
    expect(await bus.inspect()).toMatchObject({
      role: "tool",
      subscriptions: [{ here: true }, { here: true }, { here: true }],
    });
    expect(await bus.health()).toMatchObject({ status: "up", consuming: false });
  });

  test.each([
    ["server", true],
    ["tool", false],
  ] as const)("in the role %s finishes releases that others began: %s", async (role, expected) => {
    let claims = 0;
    const groups = memoryStaging();
    groups.claim = async () => {
      claims += 1;
      return undefined;
    };
    const { clock } = await startTestBus({ provider: durableProvider({}, { groups }), role });
    await clock.advance(10_000);
    expect(claims > 0).toBe(expected);
  });

  test("warns of a subscription that nobody declares any more, once for as long as that lasts", async () => {
    const inner = memoryProvider();
    const orphan = {
      subscriptionId: "left",
      events: ["a"],
      ordering: "none",
      onOrderedFailure: "park",
      aliases: [],
      lastSeenAt: 0,
      withheld: 3,
    } as const;
    let orphaned = false;
    let looks = 0;
    const list = async () => {
      looks += 1;
      return [{ ...orphan, orphaned }];
    };
    const subscriptions = { ...inner.subscriptions, list };
    const capabilities = { ...inner.capabilities, durable: true };
    const provider = providerLike(inner, { capabilities, subscriptions });
    const { clock, logger } = await startTestBus({ provider });
    const lookAfterAMinute = async (): Promise<unknown> => {
      const before = looks;
      await clock.advance(60_000);
      await expect.poll(() => looks).toBe(before + 1);
      await idle();
      return logger.at("warn").map(({ fields }) => fields);
    };
    expect(await lookAfterAMinute()).toEqual([]);
    orphaned = true;
    const warning = { subscriberId: "left", lastSeenAt: new Date(0), withheld: 3 };
    expect(await lookAfterAMinute()).toEqual([warning]);
    expect(await lookAfterAMinute()).toEqual([warning]);
    orphaned = false;
    expect(await lookAfterAMinute()).toEqual([warning]);
    orphaned = true;
    expect(await lookAfterAMinute()).toEqual([warning, warning]);
  });

  test("warns once at start of subscribers without an id", async () => {
    const { bus, logger } = createTestBus({ provider: durableProvider() });
    bus.subscribe("a", () => {});
    bus.subscribe("b", () => {});
    await bus.start();
    expect(logger.at("warn")).toMatchObject([
      { fields: { anonymous: ["a#anonymous", "b#anonymous"] } },
    ]);
  });

  describe("that fails when a group is released", () => {
    const grouped = { name: "a", data: 1, metadata: { eventGroupId: "g" } };

    async function failing(fail: (calls: number) => Promise<never> | undefined) {
      let calls = 0;
      const staged = memoryStaging(
        async (batch) =>
          (await fail((calls += 1))) ?? batch.map(() => ({ status: "accepted", subscriptions: 1 })),
      );
      const test = await startTestBus({
        provider: durableProvider({}, { groups: staged }),
        emitTimeoutMs: 1000,
      });
      await test.bus.emit(grouped);
      return { ...test, calls: () => calls };
    }

    test.each([
      ["is unreachable", () => Promise.reject(new Error("down"))],
      ["does not answer", () => new Promise<never>(() => {})],
    ])("and %s resolves once the mark is safe, and finishes the release later", async (_, fail) => {
      const { bus, clock, logger, calls } = await failing((count) =>
        count === 1 ? fail() : undefined,
      );
      const release = bus.releaseGroupedEvents("g");
      await clock.advance(1000);
      await release;
      expect(logger.at("warn")).toMatchObject([
        { fields: { eventGroupId: "g", err: { code: expect.stringMatching(/^BUSBAR_/) } } },
      ]);
      await clock.advance(60_000);
      if (calls() > 1) expect((await bus.inspect()).groups).toEqual([]);
      else expect((await bus.inspect()).groups).toMatchObject([{ marked: true }]);
    });

    test("and refuses it for good rejects, and says that the group is marked", async () => {
      const refused = {
        status: "rejected",
        code: "refused",
        reason: "no",
        retryable: false,
      } as const;
      const groups = memoryStaging(async (batch) => batch.map(() => refused));
      const { bus } = await startTestBus({ provider: durableProvider({}, { groups }) });
      await bus.emit(grouped);
      await expect(bus.releaseGroupedEvents("g")).rejects.toMatchObject({
        code: "BUSBAR_UNAVAILABLE",
        details: { retryable: false, marked: true },
      });
    });

    test("and cannot mark it rejects, and says that it is not marked", async () => {
      const groups = staging({ mark: () => new Promise(() => {}) });
      const { bus, clock } = await startTestBus({
        provider: durableProvider({}, { groups }),
        emitTimeoutMs: 1000,
      });
      await bus.emit(grouped);
      const release = expect(bus.releaseGroupedEvents("g")).rejects.toMatchObject({
        code: "BUSBAR_EMIT_TIMEOUT",
        details: { marked: false },
      });
      await clock.advance(1000);
      await release;
    });
  });
});

function memoryStaging(
  publish: (batch: readonly Envelope[]) => ReturnType<EventProvider["publish"]> = async () => [],
): MemoryGroupStaging {
  return new MemoryGroupStaging({ clock: createManualClock(), publish });
}

/** A staging that differs from one in memory in the members given. */
function staging(members: Partial<GroupStaging>): GroupStaging {
  const inner = memoryStaging();
  return {
    stage: (id, events, options) => inner.stage(id, events, options),
    mark: (id) => inner.mark(id),
    claim: (options) => inner.claim(options),
    complete: (claim, envelopes, options) => inner.complete(claim, envelopes, options),
    abandon: (claim) => inner.abandon(claim),
    clear: (id, options) => inner.clear(id, options),
    list: () => inner.list(),
    ...members,
  };
}
