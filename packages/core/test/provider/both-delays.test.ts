import { describe, expect, test } from "vitest";
import type { EventProvider, ProviderCapabilities } from "../../src/contract/provider.ts";
import { defineProvider } from "../../src/provider/define-provider.ts";
import { createMinimalProvider } from "../support/minimal-provider.ts";
import { createTestBus, startTestBus } from "../support/test-bus.ts";

const OLD = { durable: false, payload: "shared", delay: true, redeliverAfterMs: 0 } as const;

const open = (): Promise<never> => Promise.reject(new Error("nothing to open"));

/** A provider of which TypeScript does not know that it was written for 0.1. */
function writtenFor01(delay: boolean): EventProvider {
  const { retryDelay: _, ...others } = createMinimalProvider().capabilities;
  const capabilities = { ...others, delay } as ProviderCapabilities;
  return createMinimalProvider({ capabilities });
}

describe("a provider that declares the delay of a publish and not that of a retry", () => {
  test("is a mistake to TypeScript", () => {
    // @ts-expect-error Whoever declares `delay` says whether there is a `retryDelay`.
    defineProvider({ name: "old", capabilities: OLD, open });
    defineProvider({ name: "new", capabilities: { ...OLD, retryDelay: false }, open });
    const { delay: _, ...others } = OLD;
    defineProvider({ name: "nats", capabilities: { ...others, retryDelay: true }, open });
    const byHand = { ...OLD, priority: false, deduplication: false, ordering: false };
    // @ts-expect-error A provider made by hand declares both.
    createMinimalProvider({ capabilities: byHand });
  });

  test("has both, as in 0.1, and its bus warns once", async () => {
    const { bus, logger } = await startTestBus({ provider: writtenFor01(true) });
    bus.subscribe("a", () => {}, { subscriberId: "s", attempts: 2, backoff: 1000 });
    await bus.emit("a", 1, { delay: 1000, attempts: 2, backoff: 10 });
    expect(logger.at("warn").map(({ message }) => message)).toEqual([
      'Provider "minimal" declares the capability "delay" without "retryDelay", and is taken to have both, as in 0.1: declare both',
    ]);
  });

  test("is warned of once when it is made with defineProvider", async () => {
    const definition = { name: "old", capabilities: OLD, open: async () => openAll() };
    // @ts-expect-error As above.
    const provider = defineProvider(definition);
    expect(provider.capabilities).toMatchObject({ delay: true, retryDelay: true });
    const { logger } = await startTestBus({ provider });
    expect(logger.at("warn")).toHaveLength(1);
  });

  test("has neither if it declined the one", async () => {
    const { bus, logger } = createTestBus({ provider: writtenFor01(false) });
    expect(() => bus.subscribe("a", () => {}, { backoff: 1 })).toThrow(/"backoff"/);
    await bus.start();
    expect(logger.at("warn")).toEqual([]);
  });
});

function openAll() {
  const { publish, consume } = createMinimalProvider();
  return { publish, consume, close: async () => {} };
}
