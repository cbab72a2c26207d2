import { describe, expect, test } from "vitest";
import type { EmitOptions } from "../../src/contract/event.ts";
import type { ConsumeSpec } from "../../src/contract/provider.ts";
import type { SubscriberContext, SubscriptionDefaults } from "../../src/contract/subscriber.ts";
import { createTestBus, memoryProvider, providerLike, startTestBus } from "../support/test-bus.ts";

/** What each place says of `attempts`; `backoff` says ten times as many milliseconds. */
interface Row {
  readonly subscriber?: number;
  readonly message?: number;
  readonly emit?: number;
  readonly subscriptionDefaults?: number;
  readonly defaults?: number;
  readonly holds: number;
}

function retrying(attempts: number | undefined): EmitOptions & SubscriptionDefaults {
  return attempts === undefined ? {} : { attempts, backoff: attempts * 10 };
}

const rows: readonly Row[] = [
  { subscriber: 2, message: 3, emit: 4, subscriptionDefaults: 5, defaults: 6, holds: 2 },
  { message: 3, emit: 4, subscriptionDefaults: 5, defaults: 6, holds: 3 },
  { emit: 4, subscriptionDefaults: 5, defaults: 6, holds: 4 },
  { subscriptionDefaults: 5, defaults: 6, holds: 5 },
  { defaults: 6, holds: 6 },
  { subscriptionDefaults: 5, holds: 5 },
  { message: 3, defaults: 6, holds: 3 },
  { subscriber: 2, subscriptionDefaults: 5, holds: 2 },
  { emit: 6, subscriptionDefaults: 5, defaults: 6, holds: 6 },
  { holds: 1 },
];

describe("attempts and backoff", () => {
  test.each(rows)("of $holds hold: %o", async (row) => {
    const { bus } = await startTestBus({
      defaults: retrying(row.defaults),
      subscriptionDefaults: retrying(row.subscriptionDefaults),
    });
    const failed = new Promise((resolve) =>
      bus.on("failed", ({ attempts, delayMs }) => resolve([attempts, delayMs])),
    );
    bus.subscribe("a", () => Promise.reject(new Error("no")), {
      subscriberId: "mail",
      ...retrying(row.subscriber),
    });
    await bus.emit({ name: "a", data: 1, options: retrying(row.message) }, retrying(row.emit));
    expect(await failed).toEqual([row.holds, row.holds === 1 ? undefined : row.holds * 10]);
  });

  test("come one by one: each from the first place that says something of it", async () => {
    const { bus } = await startTestBus({
      defaults: { backoff: 10, attempts: 9 },
      subscriptionDefaults: { attempts: 5 },
    });
    const failed = new Promise((resolve) =>
      bus.on("failed", ({ attempts, delayMs }) => resolve([attempts, delayMs])),
    );
    bus.subscribe("a", () => Promise.reject(new Error("no")));
    await bus.emit("a", 1);
    expect(await failed).toEqual([5, 10]);
  });
});

/** What a provider is asked for, of a subscriber with this context on a bus with these defaults. */
async function consumed(
  subscriptionDefaults: SubscriptionDefaults | undefined,
  context: SubscriberContext,
): Promise<Partial<ConsumeSpec> | undefined> {
  let asked: ConsumeSpec | undefined;
  const inner = memoryProvider();
  const { bus } = createTestBus({
    subscriptionDefaults,
    provider: providerLike(inner, {
      consume: (spec, deliver) => {
        asked = spec;
        return inner.consume(spec, deliver);
      },
    }),
  });
  bus.subscribe("a", () => {}, { subscriberId: "mail", ...context });
  await bus.start();
  return asked;
}

describe("the other options of a subscription", () => {
  const own = { concurrency: 2, ordering: "all", onOrderedFailure: "park" } as const;
  const defaults = { concurrency: 3, ordering: "key", onOrderedFailure: "block" } as const;
  const builtIn = { concurrency: 10, ordering: "none", onOrderedFailure: "park" } as const;

  test.each([
    ["its own, then", defaults, own, own],
    ["those of the bus, then", defaults, {}, defaults],
    ["the built-in ones", undefined, {}, builtIn],
  ] as const)("are %s", async (_, ofBus, context, holds) => {
    expect(await consumed(ofBus, context)).toMatchObject(holds);
  });

  test.each([
    [20, 10, 10],
    [20, undefined, 20],
  ] as const)("a time limit of %s by default and %s of its own is %s", async (ofBus, own, ms) => {
    const { bus, clock } = await startTestBus({ subscriptionDefaults: { timeoutMs: ofBus } });
    const errors: unknown[] = [];
    bus.on("failed", ({ error }) => void errors.push(error));
    bus.subscribe("a", () => new Promise(() => {}), { timeoutMs: own });
    await bus.emit("a", 1);
    await clock.advance(ms - 1);
    expect(errors).toEqual([]);
    await clock.advance(1);
    expect(errors).toMatchObject([{ code: "BUSBAR_TIMEOUT", details: { timeoutMs: ms } }]);
  });
});

describe("subscriptionDefaults", () => {
  test.each([
    [{ attempts: 0 }, "option subscriptionDefaults.attempts must be"],
    [{ atempts: 3 }, 'no option "subscriptionDefaults.atempts", did you mean "attempts"'],
    [{ aliases: ["a"] }, 'no option "subscriptionDefaults.aliases"; known are attempts'],
    [{ ordering: "keys" }, "option subscriptionDefaults.ordering must be"],
    [[], "option subscriptionDefaults must be an object, not an array"],
  ])("refuses %o", (subscriptionDefaults, message) => {
    const options = { subscriptionDefaults: subscriptionDefaults as SubscriptionDefaults };
    expect(() => createTestBus(options)).toThrow(message);
  });

  test("are refused where the provider cannot do them, unless the subscriber says otherwise", () => {
    const inner = memoryProvider();
    const { bus } = createTestBus({
      subscriptionDefaults: { ordering: "key" },
      provider: providerLike(inner, { capabilities: { ...inner.capabilities, ordering: false } }),
    });
    bus.subscribe("a", () => {}, { subscriberId: "a", ordering: "none" });
    expect(() => bus.subscribe("a", () => {}, { subscriberId: "b" })).toThrow(
      expect.objectContaining({ code: "BUSBAR_UNSUPPORTED" }),
    );
  });
});
