import { describe, expect, test } from "vitest";
import type { Backoff } from "../../src/contract/event.ts";
import type { SubscriberContext } from "../../src/contract/subscriber.ts";
import { PermanentError } from "../../src/errors/errors.ts";
import { backoffDelay } from "../../src/deliver/policy.ts";
import { startTestBus, type TestBusOptions } from "../support/test-bus.ts";

/** When the runs of a delivery that always fails began, in milliseconds after the emit. */
async function timesOfRuns(context: SubscriberContext, options?: TestBusOptions) {
  const { bus, clock } = await startTestBus(options);
  const began = clock.now();
  const times: number[] = [];
  const attempts: number[] = [];
  bus.subscribe(
    "a",
    (_, { attempt }) => {
      times.push(clock.now() - began);
      attempts.push(attempt);
      throw new Error("no");
    },
    { subscriberId: "mail", ...context },
  );
  await bus.emit("a", 1);
  await clock.advance(10_000_000);
  await bus.settled();
  expect(attempts).toEqual(times.map((_, index) => index + 1));
  expect((await bus.inspect()).counters).toMatchObject({ failed: times.length, dead: 1 });
  return times;
}

describe("a failing delivery", () => {
  test.each<[string, SubscriberContext, readonly number[]]>([
    ["without attempts runs once", {}, [0]],
    ["with attempts runs again at once", { attempts: 3 }, [0, 0, 0]],
    ["waits a backoff that is a number", { attempts: 3, backoff: 250 }, [0, 250, 500]],
    [
      "waits a fixed backoff",
      { attempts: 4, backoff: { type: "fixed", delay: 100 } },
      [0, 100, 200, 300],
    ],
    [
      "waits an exponential backoff, which doubles",
      { attempts: 5, backoff: { type: "exponential", delay: 100 } },
      [0, 100, 300, 700, 1500],
    ],
    [
      "waits no longer than maxDelay",
      { attempts: 6, backoff: { type: "exponential", delay: 100, maxDelay: 350 } },
      [0, 100, 300, 650, 1000, 1350],
    ],
  ])("%s", async (_, context, expected) => {
    expect(await timesOfRuns(context)).toEqual(expected);
  });

  test("takes the share of the jitter that the random number says", async () => {
    const numbers = [0, 0.5, 0.9];
    const backoff: Backoff = { type: "fixed", delay: 1000, jitter: 0.5 };
    const random = () => numbers.shift() ?? 0;
    const times = await timesOfRuns({ attempts: 4, backoff }, { random });
    expect(times).toEqual([0, 1000, 1750, 2300]);
  });

  test("is acknowledged when a later attempt succeeds, and stays so", async () => {
    const { bus, clock } = await startTestBus();
    let runs = 0;
    bus.subscribe(
      "a",
      () => {
        if (++runs < 3) throw new Error("no");
      },
      { subscriberId: "mail", attempts: 5, backoff: 10 },
    );
    await bus.emit("a", 1);
    await clock.advance(1000);
    await bus.settled();
    expect(runs).toBe(3);
    expect((await bus.inspect()).counters).toMatchObject({ acknowledged: 1, failed: 2, dead: 0 });
    expect((await bus.deadLetters.list()).items).toEqual([]);
  });

  test("is dead at once by a PermanentError, also of a subclass or another copy", async () => {
    const { bus, clock } = await startTestBus();
    class NoSuchOrder extends PermanentError {}
    const foreign = Object.assign(new Error("foreign"), { name: "PermanentError" });
    const thrown = [new PermanentError("direct"), new NoSuchOrder("subclass"), foreign];
    let runs = 0;
    bus.subscribe<number>(
      "a",
      async ({ data }) => {
        runs++;
        await Promise.reject(thrown[data] as Error);
      },
      { subscriberId: "mail", attempts: 10, backoff: 5 },
    );
    for (const index of thrown.keys()) await bus.emit("a", index);
    await clock.advance(1000);
    const { items } = await bus.deadLetters.list();
    expect(runs).toBe(3);
    expect(items.map(({ reason, attempts }) => [reason, attempts])).toEqual([
      ["permanent", 1],
      ["permanent", 1],
      ["permanent", 1],
    ]);
  });

  test("neither delays nor repeats the deliveries of other subscriptions", async () => {
    const { bus, clock } = await startTestBus();
    const began = clock.now();
    const good: number[] = [];
    const fail = () => {
      throw new Error("no");
    };
    bus.subscribe("a", fail, { subscriberId: "bad", attempts: 5, backoff: 100 });
    bus.subscribe("a", () => void good.push(clock.now() - began), { subscriberId: "good" });
    await bus.emit("a", 1);
    await bus.emit("a", 2);
    await clock.advance(1000);
    expect(good).toEqual([0, 0]);
  });

  test("lets others of its subscription pass while it waits to run again", async () => {
    const { bus, clock } = await startTestBus();
    const runs: unknown[] = [];
    bus.subscribe<string>(
      "a",
      ({ data }, { attempt }) => {
        runs.push(`${data}/${attempt}`);
        if (data === "bad") throw new Error("no");
      },
      { subscriberId: "mail", concurrency: 1, attempts: 2, backoff: 100 },
    );
    await bus.emit("a", "bad");
    await bus.emit("a", "good");
    await clock.advance(100);
    expect(runs).toEqual(["bad/1", "good/1", "bad/2"]);
  });

  test("is logged with the subscriber, the event and the error, and without its payload", async () => {
    const { bus, clock, logger } = await startTestBus();
    const error = new Error("no");
    const fail = () => {
      throw error;
    };
    bus.subscribe("a", fail, { subscriberId: "mail", attempts: 2, backoff: 100 });
    const [eventId] = await bus.emit("a", { secret: "s3cret" });
    await clock.advance(100);
    await bus.settled();
    const fields = { subscriberId: "mail", event: "a", eventId, err: error };
    expect(logger.at("warn")).toEqual([
      {
        level: "warn",
        fields: { ...fields, attempt: 1, attempts: 2, delayMs: 100 },
        message: `Subscriber "mail" failed attempt 1 of 2; runs again in 100 ms`,
      },
    ]);
    expect(logger.at("error")).toMatchObject([
      { fields: { ...fields, attempt: 2, reason: "failed" } },
    ]);
    expect(JSON.stringify(logger.lines)).not.toContain("s3cret");
  });
});

describe("backoffDelay", () => {
  test.each<[Backoff | undefined, number, number, number]>([
    [undefined, 1, 0, 0],
    [100, 7, 0.9, 100],
    [{ type: "exponential", delay: 100, jitter: 1 }, 3, 0, 400],
    [{ type: "exponential", delay: 100, jitter: 1 }, 3, 0.75, 100],
    [{ type: "exponential", delay: 100, jitter: 0.5, maxDelay: 300 }, 9, 0.5, 225],
    [{ type: "fixed", delay: 100, maxDelay: 30 }, 1, 0, 30],
    [{ type: "exponential", delay: 0 }, 5000, 0, 0],
    [{ type: "exponential", delay: 1, maxDelay: 60_000 }, 5000, 0, 60_000],
  ])("of %o after attempt %d with random %d is %d", (backoff, attempt, random, expected) => {
    expect(backoffDelay(backoff, attempt, () => random)).toBe(expected);
  });

  test("stays between the delay and what jitter leaves of it", () => {
    const backoff: Backoff = { type: "fixed", delay: 1000, jitter: 0.3 };
    for (let step = 0; step < 1000; step++) {
      const delay = backoffDelay(backoff, 1, () => step / 1000);
      expect(delay).toBeGreaterThanOrEqual(700);
      expect(delay).toBeLessThanOrEqual(1000);
      expect(Number.isInteger(delay)).toBe(true);
    }
  });
});
