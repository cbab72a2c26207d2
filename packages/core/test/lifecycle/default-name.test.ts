import { describe, expect, test } from "vitest";
import type { RegisteredSubscription } from "../../src/contract/provider.ts";
import type { EventBusOptions } from "../../src/contract/bus-options.ts";
import { createEventBus } from "../../src/event-bus.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";
import { memoryProvider, providerLike } from "../support/test-bus.ts";

/** A subscription as a durable provider lists it. */
function listed(subscriptionId: string, orphaned = false): RegisteredSubscription {
  return {
    subscriptionId,
    events: ["a"],
    aliases: [],
    ordering: "none",
    onOrderedFailure: "park",
    lastSeenAt: 0,
    orphaned,
    withheld: 0,
  };
}

/** The warnings of a bus with the subscription "mail" that starts where others are listed. */
async function warningsWith(
  others: readonly RegisteredSubscription[],
  options: Partial<EventBusOptions> = {},
): Promise<readonly string[]> {
  const inner = memoryProvider();
  const provider = providerLike(inner, {
    capabilities: { ...inner.capabilities, durable: true },
    subscriptions: { ...inner.subscriptions, list: async () => others },
  });
  const logger = createRecordingLogger();
  const bus = createEventBus({ provider, logger, ...options });
  bus.subscribe("a", () => {}, { subscriberId: "mail", aliases: ["old-mail"] });
  await bus.start();
  await bus.stop();
  return logger.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
}

describe("a bus with the default name", () => {
  test("warns where a durable provider has subscriptions, and none of them is its own", async () => {
    expect(await warningsWith([listed("stock"), listed("billing")])).toEqual([
      expect.stringContaining("Another application may use this name"),
    ]);
  });

  test.each([
    ["none is listed", [], {}],
    ["one is its own", [listed("stock"), listed("mail")], {}],
    ["one is its own under an earlier id", [listed("stock"), listed("old-mail")], {}],
    ["no process declares the others", [listed("stock", true)], {}],
    ["it has a name", [listed("stock")], { name: "shop" }],
  ])("does not warn if %s", async (_, others, options) => {
    expect(await warningsWith(others, options)).toEqual([]);
  });
});
