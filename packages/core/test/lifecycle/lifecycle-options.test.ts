import { describe, expect, test } from "vitest";
import { createEventBus } from "../../src/event-bus.ts";
import type { EventBusOptions } from "../../src/contract/bus-options.ts";
import type { EventProvider } from "../../src/contract/provider.ts";
import { memoryProvider, providerLike } from "../support/test-bus.ts";
import { createMinimalProvider } from "../support/minimal-provider.ts";

describe("options", () => {
  const valid = { provider: memoryProvider() };

  test.each<[string, Record<string, unknown>]>([
    ["name", { name: "" }],
    ["name", { name: "my shop" }],
    ["name", { name: "a".repeat(101) }],
    ["role", { role: "boss" }],
    ["isolation", { isolation: "deep" }],
    ["emitTimeoutMs", { emitTimeoutMs: 0 }],
    ["emitTimeoutMs", { emitTimeoutMs: Number.POSITIVE_INFINITY }],
    ["emitTimeoutMs", { emitTimeoutMs: "1000" }],
    ["maxCrashes", { maxCrashes: -1 }],
    ["maxCrashes", { maxCrashes: 1.5 }],
    ["maxCausationDepth", { maxCausationDepth: -1 }],
    ["deadLetters.maxPerSubscription", { deadLetters: { maxPerSubscription: 0 } }],
    ["deadLetters.maxAgeMs", { deadLetters: { maxAgeMs: Number.NaN } }],
    ["orphanedAfterMs", { orphanedAfterMs: 0 }],
    ["groupTtlMs", { groupTtlMs: -1 }],
    ["graceMs", { graceMs: -1 }],
    ["defaults.attempts", { defaults: { attempts: 0 } }],
    ["defaults.retries", { defaults: { retries: 3 } }],
    ["provider", { provider: undefined }],
    ["provider", { provider: "memory" }],
    ["provider", { provider: { ...createMinimalProvider(), publish: undefined } }],
    ["provider", { provider: { ...createMinimalProvider(), capabilities: undefined } }],
    ["provider", { provider: { ...createMinimalProvider(), capabilities: null } }],
  ])("a wrong %s is a TypeError that names it", (name, options) => {
    const create = () =>
      createEventBus({ ...valid, ...options } as unknown as EventBusOptions<never>);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(`option ${name}`);
  });

  test("no options at all are a TypeError that says what is needed", () => {
    expect(() => createEventBus(undefined as unknown as EventBusOptions)).toThrow(
      new TypeError("createEventBus() needs the option provider, such as localProvider()"),
    );
  });

  test.each(["subscriptions", "admin"] as const)(
    "a durable provider without %s is a TypeError",
    (part) => {
      const inner = memoryProvider();
      const provider: EventProvider = providerLike(inner, {
        capabilities: { ...inner.capabilities, durable: true },
        [part]: undefined,
      });
      expect(() => createEventBus({ provider })).toThrow(TypeError);
      expect(() => createEventBus({ provider })).toThrow(part);
    },
  );
});
