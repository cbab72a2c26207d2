import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createEventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import { providerWith, TestBoard } from "../support/board.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { memoryProvider, startTestBus } from "../support/test-bus.ts";

describe("explain()", () => {
  test("names the subscriptions that match, by which pattern and with which policy", async () => {
    const { bus } = await startTestBus({ subscriptionDefaults: { timeoutMs: 500 } });
    bus.subscribe(["order.placed", "order.*", "invoice.sent"], () => {}, {
      subscriberId: "mail",
      attempts: 3,
      backoff: { type: "fixed", delay: 10 },
      ordering: "key",
      onOrderedFailure: "block",
    });
    bus.subscribe("*", () => {}, { subscriberId: "audit", concurrency: 1 });
    bus.subscribe("invoice.*", () => {}, { subscriberId: "invoices" });
    await bus.pause("audit");
    expect(await bus.explain("order.placed")).toEqual({
      name: "order.placed",
      declared: false,
      subscriptions: [
        {
          subscriberId: "audit",
          matchedBy: ["*"],
          here: true,
          orphaned: false,
          paused: true,
          policy: { timeoutMs: 500, concurrency: 1, ordering: "none", onOrderedFailure: "park" },
          instances: 1,
        },
        {
          subscriberId: "mail",
          matchedBy: ["order.placed", "order.*"],
          here: true,
          orphaned: false,
          paused: false,
          policy: {
            attempts: 3,
            backoff: { type: "fixed", delay: 10 },
            timeoutMs: 500,
            concurrency: 10,
            ordering: "key",
            onOrderedFailure: "block",
          },
          instances: 1,
        },
      ],
      nearMisses: [],
    });
  });

  test("says whether the catalogue has the name", async () => {
    const bus = createEventBus({
      provider: memoryProvider(),
      events: defineEvents({ "order.placed": z.object({}) }),
      logger: false,
    });
    onTestFinished(() => bus.stop());
    await bus.start();
    expect((await bus.explain("order.placed")).declared).toBe(true);
    expect((await bus.explain("toString")).declared).toBe(false);
  });

  test("knows of code in other processes, and of subscriptions that nobody has code for", async () => {
    const clock = createManualClock();
    const board = new TestBoard(clock);
    const inner = memoryProvider();
    const here = createEventBus({
      provider: providerWith(board, {
        subscriptions: {
          ...inner.subscriptions,
          declare: async () => {},
          list: async () => [
            {
              subscriptionId: "mail",
              events: ["order.placed", "order.paid"],
              ordering: "none",
              onOrderedFailure: "park",
              aliases: [],
              lastSeenAt: 1,
              orphaned: false,
              withheld: 0,
            },
            {
              subscriptionId: "old",
              events: ["order.*"],
              ordering: "all",
              onOrderedFailure: "block",
              aliases: [],
              lastSeenAt: 1,
              orphaned: true,
              withheld: 3,
              paused: true,
            },
          ],
        },
        admin: { ...inner.admin, stats: async () => [], queueName: (id) => `queue-${id}` },
      }),
      logger: false,
      clock,
    });
    onTestFinished(() => here.stop({ graceMs: 0 }));
    await here.start();
    const report = (await here.inspect()).instances[0]!;
    const subscriptions = [
      {
        subscriberId: "mail",
        events: ["order.placed"],
        policy: { attempts: 2, concurrency: 4, ordering: "none" },
      },
    ];
    const posted = { ...report, startedAt: 1, seenAt: 1, subscriptions };
    await board.post("other", JSON.parse(JSON.stringify(posted)), { ttlMs: 1_000 });
    expect((await here.explain("order.placed")).subscriptions).toEqual([
      {
        subscriberId: "mail",
        matchedBy: ["order.placed"],
        here: false,
        orphaned: false,
        paused: false,
        policy: { attempts: 2, concurrency: 4, ordering: "none", onOrderedFailure: "park" },
        queue: "queue-mail",
        instances: 1,
      },
      {
        subscriberId: "old",
        matchedBy: ["order.*"],
        here: false,
        orphaned: true,
        paused: true,
        policy: { ordering: "all", onOrderedFailure: "block" },
        queue: "queue-old",
        instances: 0,
      },
    ]);
    // The release that runs has no code for this event of its subscription.
    const paid = (await here.explain("order.paid")).subscriptions.find(
      ({ subscriberId }) => subscriberId === "mail",
    );
    expect(paid).toMatchObject({ instances: 0, policy: { attempts: 2 } });
  });

  test.for([
    ["order.placd", "a letter is missing"],
    ["order.placedd", "a letter too many"],
    ["order.plaxed", "a wrong letter"],
    ["order.palced", "two letters are swapped"],
    ["Order.Placed", "other case"],
    ["order:placed", "another separator"],
  ] as const)("finds that %s nearly matches: %s", async ([name]) => {
    const { bus } = await startTestBus();
    bus.subscribe("order.placed", () => {}, { subscriberId: "mail" });
    expect((await bus.explain(name)).nearMisses).toEqual([
      { subscriberId: "mail", event: "order.placed" },
    ]);
  });

  test.for([
    ["orders.paid", true],
    ["orders.paid.twice", true],
    ["order.paid", false],
    ["invoices.paid", false],
    ["orders", false],
    ["odrers.paid", false],
  ] as const)("compares %s with patterns, segment by segment", async ([name, isNear]) => {
    const { bus } = await startTestBus();
    bus.subscribe("order.**", () => {}, { subscriberId: "mail" });
    expect((await bus.explain(name)).nearMisses).toHaveLength(isNear ? 1 : 0);
  });

  test("refuses what is no name", async () => {
    const { bus } = await startTestBus();
    await expect(bus.explain("")).rejects.toThrow(TypeError);
  });
});
