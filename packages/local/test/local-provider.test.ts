import { createEventBus } from "@busbar/core";
import { describe, expect, test } from "vitest";
import localModule, { localProvider } from "../src/index.ts";
import type { LocalProviderOptions } from "../src/index.ts";

const dependencies = {
  name: "shop",
  logger: { debug() {}, info() {}, warn() {}, error() {} },
};

async function issuesOf(options: unknown) {
  const result = await localModule.options?.["~standard"].validate(options);
  return result?.issues?.map(
    ({ path, message }) => `${path?.map(String).join() ?? ""}: ${message}`,
  );
}

describe("localProvider", () => {
  test("carries an event through a bus to every subscription", async () => {
    const bus = createEventBus({ provider: localProvider() });
    const seen: string[] = [];
    for (const subscriberId of ["mail", "stock"]) {
      bus.subscribe("order.placed", (event) => void seen.push(`${subscriberId} ${event.name}`), {
        subscriberId,
      });
    }
    await bus.start();
    await bus.emit("order.placed", { orderId: "42" });
    await bus.stop({ graceMs: 1_000 });
    expect(seen.toSorted()).toEqual(["mail order.placed", "stock order.placed"]);
  });

  test("two providers share nothing", async () => {
    const [one, other] = [localProvider(), localProvider()].map((provider) =>
      createEventBus({ provider }),
    );
    const seen: string[] = [];
    other?.subscribe("order.placed", (event) => void seen.push(event.name), { subscriberId: "a" });
    await Promise.all([one?.start(), other?.start()]);
    await one?.emit("order.placed", {});
    await Promise.all([one?.stop(), other?.stop()]);
    expect(seen).toEqual([]);
  });

  test("a wrong option is a mistake", () => {
    expect(() => localProvider({ maxPending: 0 })).toThrow(TypeError);
  });
});

describe("the module @busbar/local", () => {
  test("makes a provider of the options of a configuration, or of none", async () => {
    for (const options of [undefined, {}, { maxPending: 10, deduplicationWindowMs: undefined }]) {
      const result = await localModule.options?.["~standard"].validate(options);
      expect(result?.issues).toBeUndefined();
      const value = (result as { readonly value: LocalProviderOptions }).value;
      const provider = await localModule.provider(value, dependencies);
      expect(provider.name).toBe("local");
    }
  });

  test("says where a wrong option is, and what it may be", async () => {
    expect(await issuesOf({ maxPending: 0, deduplicationWindowMs: "1h" })).toEqual([
      "maxPending: must be a whole number from 1",
      "deduplicationWindowMs: must be a whole number from 1",
    ]);
    expect(await issuesOf("10")).toEqual([": must be an object, not string"]);
    expect(await issuesOf(null)).toEqual([": must be an object, not null"]);
  });

  test("names the option that an unknown one is nearest to", async () => {
    expect(await issuesOf({ maxPendng: 1, deduplicationWindow: 1, size: 1 })).toEqual([
      'maxPendng: unknown key, did you mean "maxPending"?',
      'deduplicationWindow: unknown key, did you mean "deduplicationWindowMs"?',
      "size: unknown key; known are maxPending, deduplicationWindowMs",
    ]);
  });
});
