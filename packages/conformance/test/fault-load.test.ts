import { describe, expect, test } from "vitest";
import { readLoad } from "../src/fault-load.ts";
import { Ledger } from "../src/ledger.ts";
import { modeOfEnvironment } from "../src/mode.ts";
import { inspect } from "../src/test-provider.ts";
import { Waiting } from "../src/waiting.ts";
import { memoryProvider } from "./support/faulty.ts";

describe("the load", () => {
  test("is small, and under stress as large as the issue asks for", () => {
    const quick = { events: 900, publishers: 20, cutMs: 300, halfOpenMs: 0 };
    const stress = { events: 10_000, publishers: 100, cutMs: 5_000, halfOpenMs: 30_000 };
    expect(readLoad(undefined, "quick")).toEqual(quick);
    expect(readLoad({ events: undefined }, "stress")).toEqual(stress);
  });

  test("is the harness's in every mode, as far as it says", async () => {
    const load = { events: 2_000, cutMs: 0 };
    const harness = { create: memoryProvider, load };
    const subject = await inspect(harness, { mode: "stress" });
    expect(subject.load).toEqual({ events: 2_000, publishers: 100, cutMs: 0, halfOpenMs: 30_000 });
    expect((await inspect(harness)).load).toMatchObject({ events: 2_000, publishers: 20 });
  });

  test("has whole numbers, and something to emit", () => {
    for (const load of [{ events: 0 }, { publishers: 1.5 }, { cutMs: -1 }, { halfOpenMs: NaN }]) {
      expect(() => readLoad(load, "quick")).toThrow(/^load\.\w+ must be a whole number from [01]/);
      expect(() => readLoad(load, "quick")).toThrow(TypeError);
    }
  });
});

describe("the mode", () => {
  test("is what the environment says", () => {
    expect(modeOfEnvironment({})).toBe("quick");
    expect(modeOfEnvironment({ BUSBAR_CONFORMANCE: "" })).toBe("quick");
    expect(modeOfEnvironment({ BUSBAR_CONFORMANCE: "stress" })).toBe("stress");
  });

  test("is one that there is", () => {
    expect(() => modeOfEnvironment({ BUSBAR_CONFORMANCE: "full" })).toThrow(
      'BUSBAR_CONFORMANCE must be quick or stress, not "full"',
    );
  });
});

describe("the ledger", () => {
  test("counts what is lost and what is repeated, by event and subscription", async () => {
    const waiting = new Waiting();
    const ledger = new Ledger({ waiting }, ["mail", "stock"]);
    for (const event of [0, 1, 1, 1, 2]) ledger.handled("mail", event);
    for (const event of [0, 2, 2]) ledger.handled("stock", event);
    expect(ledger.account(3)).toEqual({ lost: 1, repeated: 3 });
    const complete = ledger.complete(3);
    expect(waiting.describe()).toBe(
      '3 events in each subscription: lost 0 of "mail", 1 of "stock" (1…)',
    );
    ledger.handled("stock", 1);
    await complete;
    expect(ledger.account(3)).toEqual({ lost: 0, repeated: 3 });
  });
});
