import { describe, expect, test } from "vitest";
import type { DeliveryContext } from "../../src/contract/subscriber.ts";
import { isBusbarError } from "../../src/errors/errors.ts";
import { createGate, startTestBus } from "../support/test-bus.ts";

describe("timeoutMs", () => {
  test("fails the run at the limit with BUSBAR_TIMEOUT, and not before", async () => {
    const { bus, clock } = await startTestBus();
    const hang = () => new Promise<void>(() => {});
    bus.subscribe("a", hang, { subscriberId: "mail", timeoutMs: 500 });
    await bus.emit("a", 1);
    await clock.advance(499);
    expect((await bus.inspect()).counters.failed).toBe(0);
    await clock.advance(1);
    await bus.settled();
    const [dead] = (await bus.deadLetters.list()).items;
    expect(dead).toMatchObject({
      reason: "failed",
      attempts: 1,
      errors: [{ name: "BusbarError", code: "BUSBAR_TIMEOUT", at: new Date(clock.now()) }],
    });
    expect(dead?.errors[0]?.message).toBe(`The subscriber "mail" took more than 500 ms`);
  });

  test("counts each attempt anew, and lets it be retried", async () => {
    const { bus, clock } = await startTestBus();
    const began = clock.now();
    const runs: number[] = [];
    bus.subscribe(
      "a",
      () => {
        runs.push(clock.now() - began);
        return new Promise<void>(() => {});
      },
      { subscriberId: "mail", timeoutMs: 500, attempts: 3, backoff: 100 },
    );
    await bus.emit("a", 1);
    await clock.advance(10_000);
    expect(runs).toEqual([0, 600, 1200]);
  });

  test("aborts the signal with that error, whether it was read before or is read later", async () => {
    const { bus, clock } = await startTestBus();
    const contexts: DeliveryContext[] = [];
    const reasons: unknown[] = [];
    bus.subscribe(
      "a",
      ({ data }, context) => {
        contexts.push(context);
        if (data === "early") {
          context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
        }
        return new Promise<void>(() => {});
      },
      { subscriberId: "mail", timeoutMs: 500 },
    );
    await bus.emit("a", "early");
    await bus.emit("a", "late");
    await clock.advance(500);
    expect(reasons).toHaveLength(1);
    expect(isBusbarError(reasons[0], "BUSBAR_TIMEOUT")).toBe(true);
    const [early, late] = contexts as [DeliveryContext, DeliveryContext];
    expect(late.signal.aborted).toBe(true);
    expect(late.signal.reason).toMatchObject({
      code: "BUSBAR_TIMEOUT",
      details: { timeoutMs: 500, what: `subscriber "mail"` },
    });
    expect(early.signal).toBe(early.signal);
    expect(late.signal).toBe(late.signal);
  });

  test("does not abort the signal of a run that ended in time", async () => {
    const { bus, clock } = await startTestBus();
    let signal: AbortSignal | undefined;
    bus.subscribe(
      "a",
      (_, context) => {
        signal = context.signal;
      },
      { subscriberId: "mail", timeoutMs: 500 },
    );
    await bus.emit("a", 1);
    await bus.settled();
    await clock.advance(10_000);
    expect(signal?.aborted).toBe(false);
  });

  test("frees the slot: the next delivery runs while the first still hangs", async () => {
    const { bus, clock } = await startTestBus();
    const seen: unknown[] = [];
    bus.subscribe(
      "a",
      ({ data }) => {
        seen.push(data);
        return data === "hangs" ? new Promise<void>(() => {}) : undefined;
      },
      { subscriberId: "mail", timeoutMs: 500, concurrency: 1 },
    );
    await bus.emit("a", "hangs");
    await bus.emit("a", "next");
    await clock.advance(499);
    expect(seen).toEqual(["hangs"]);
    await clock.advance(1);
    expect(seen).toEqual(["hangs", "next"]);
    await bus.settled();
  });

  test.each<[string, (gate: Promise<void>) => Promise<void>]>([
    ["a late success", (gate) => gate],
    ["a late failure", (gate) => gate.then(() => Promise.reject(new Error("late")))],
  ])("logs %s, and throws it away", async (_, run) => {
    const { bus, clock, logger } = await startTestBus();
    const gate = createGate();
    bus.subscribe("a", () => run(gate.opened), { subscriberId: "mail", timeoutMs: 500 });
    await bus.emit("a", 1);
    await clock.advance(500);
    await bus.settled();
    await clock.advance(250);
    gate.open();
    await clock.advance(0);
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 0, failed: 1, dead: 1 });
    expect(logger.at("warn")).toMatchObject([
      { fields: { subscriberId: "mail", event: "a", attempt: 1, tookMs: 750 } },
    ]);
    expect(logger.at("warn")[0]?.message).toMatch(/thrown away/);
  });

  test("leaves no timer behind when the run ends in time", async () => {
    const { bus, clock } = await startTestBus();
    bus.subscribe("a", async () => {}, { subscriberId: "mail", timeoutMs: 500 });
    await bus.emit("a", 1);
    await bus.settled();
    expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
  });

  test("is none by default: a run may take days", async () => {
    const { bus, clock } = await startTestBus();
    const gate = createGate();
    bus.subscribe("a", () => gate.opened);
    await bus.emit("a", 1);
    await clock.advance(86_400_000 * 3);
    gate.open();
    await bus.settled();
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 0 });
  });
});
