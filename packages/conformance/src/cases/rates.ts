import assert from "node:assert/strict";
import type { RateLimit } from "@busbar/core";
import type { SharedRates } from "@busbar/core/provider";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Instance } from "../instance.ts";
import { all, durable, has, limitsRates } from "../requirements.ts";
import { RunRecorder, settled } from "../run-recorder.ts";

const RESERVE = "contract: SharedRates.reserve";
const RATE = "guarantee: at most max runs start in any perMs, in all processes together";
/** Milliseconds by which a start may be off, as an answer takes its time and a timer is late. */
const OFF_MS = 100;

export const rates: readonly ConformanceCase[] = defineCases("rates", [
  {
    id: "window",
    name: "starts that two instances reserve are as early as the starts before them allow, and no earlier",
    promise: RESERVE,
    when: has("rates"),
    async run(context) {
      const instance = await context.start();
      const [one, other] = [ratesOf(instance), ratesOf(await context.start())];
      const from = performance.now();
      const limit = { max: 4, perMs: 1_000 };
      const starts: number[] = [];
      for (const [it, count] of [
        [one, 3],
        [other, 2],
        [one, 1],
        [other, 4],
      ] as const) {
        const { waitsMs, retryAfterMs } = await reserve(it, limit, count);
        assert.equal(waitsMs.length, count);
        assert.equal(retryAfterMs, undefined, "all were reserved");
        assert.deepEqual(waitsMs, waitsMs.toSorted(ascending), "the earliest is the first");
        for (const waitMs of waitsMs) {
          assert.ok(waitMs >= 0, `${waitMs} is not in the past`);
          starts.push(performance.now() + waitMs - from);
        }
      }
      starts.sort(ascending);
      const expected = [0, 0, 0, 0, 1_000, 1_000, 1_000, 1_000, 2_000, 2_000];
      for (const [index, at] of starts.entries()) {
        const difference = Math.abs(at - Number(expected[index]));
        assert.ok(difference < context.ms(500) + OFF_MS, `start ${index} is at ${at} ms`);
      }
    },
  },
  {
    id: "horizon",
    name: "starts beyond the horizon are not reserved, and the answer says when to ask again",
    promise: RESERVE,
    when: has("rates"),
    async run(context) {
      const it = ratesOf(await context.start());
      const limit = { max: 1, perMs: 60_000 };
      const first = await reserve(it, limit, 3, 90_000);
      assert.equal(first.waitsMs.length, 2);
      const { retryAfterMs = 0 } = first;
      // The third start is two minutes away.
      assert.ok(retryAfterMs > 0 && retryAfterMs <= 120_000, `ask again after ${retryAfterMs} ms`);
      const second = await reserve(it, limit, 1, 1_000);
      assert.deepEqual(second.waitsMs, [], "the starts that were reserved count");
      assert.ok(Number(second.retryAfterMs) > 60_000, `after ${second.retryAfterMs} ms`);
    },
  },
  {
    id: "apart",
    name: "subscriptions are counted apart",
    promise: RESERVE,
    when: has("rates"),
    async run(context) {
      const it = ratesOf(await context.start());
      const limit = { max: 1, perMs: 60_000 };
      for (const subscriptionId of ["mail", "stock"]) {
        const options = { ...limit, count: 1, horizonMs: 0 };
        const { waitsMs } = await it.reserve(subscriptionId, options);
        assert.deepEqual(waitsMs, [0], `the first start of "${subscriptionId}"`);
      }
    },
  },
  {
    id: "two-releases",
    name: "releases with different rates go each by its own numbers, over all starts",
    promise: RESERVE,
    when: has("rates"),
    async run(context) {
      const it = ratesOf(await context.start());
      const [narrow, wide] = [
        { max: 2, perMs: 60_000 },
        { max: 4, perMs: 60_000 },
      ];
      const now = async (limit: RateLimit, count: number): Promise<number> =>
        (await reserve(it, limit, count, 0)).waitsMs.length;
      assert.equal(await now(narrow, 3), 2);
      assert.equal(await now(wide, 3), 2, "two of its four are taken");
      assert.equal(await now(narrow, 1), 0);
      assert.equal(await now({ max: 5, perMs: 60_000 }, 2), 1, "four of its five are taken");
    },
  },
  {
    id: "bus",
    name: "runs of two buses start no more often than the rate of their subscription",
    promise: RATE,
    when: limitsRates,
    async run(context) {
      const rate = { max: 3, perMs: 300 };
      const seen = new RunRecorder(context);
      const buses = [await context.bus()];
      if (context.capabilities.durable) buses.push(await context.bus());
      for (const bus of buses) {
        bus.subscribe("a", seen.subscriber(), {
          subscriberId: "mail",
          rate,
          // So that both take part.
          concurrency: 2,
        });
        await bus.start();
      }
      const [bus] = buses;
      await bus?.emit(Array.from({ length: 9 }, (_, data) => ({ name: "a", data })));
      await seen.ran(9);
      assertRate(
        seen.runs.map(({ at }) => at),
        rate,
      );
      if (bus) await settled(context, bus);
      assert.equal(seen.runs.length, 9);
    },
  },
  {
    id: "killed",
    name: "a process that is killed while the rate holds its deliveries loses none of them",
    promise: RATE,
    when: all(durable, has("rates")),
    limitMs: ({ redeliverAfterMs }) => 30_000 + 2 * redeliverAfterMs,
    async run(context) {
      const rate = { max: 2, perMs: 200 };
      const subscriptionId = "mail";
      const seen = new RunRecorder(context);
      const bus = await context.bus();
      await bus.start();
      const worker = await context.worker({ ...WORK, subscriptionId, rate });
      const ids = await bus.emit(Array.from({ length: 8 }, (_, data) => ({ name: "a", data })));
      await context.waiting.until("a run in the worker", () => worker.handled.length > 0);
      await worker.kill();
      bus.subscribe("a", seen.subscriber(), { subscriberId: subscriptionId, rate });
      const ran = (): Set<string> =>
        new Set([...worker.handled, ...seen.runs.map(({ event }) => event.id)]);
      await context.waiting.until(
        () => `8 events (there were ${ran().size})`,
        () => ids.every((id) => ran().has(id)),
      );
      assertRate(
        seen.runs.map(({ at }) => at),
        rate,
      );
      await settled(context, bus);
      assert.deepEqual((await bus.deadLetters.list()).items, []);
    },
  },
]);

const WORK: Omit<Parameters<CaseContext["worker"]>[0], "subscriptionId"> = {
  event: "a",
  concurrency: 10,
  maxCrashes: 5,
  busyMs: 1,
  poison: "none",
  killsAfterMs: 0,
};

function ratesOf({ provider }: Instance): SharedRates {
  assert.ok(provider.rates, "the provider counts runs");
  return provider.rates;
}

function reserve(
  it: SharedRates,
  limit: RateLimit,
  count: number,
  horizonMs = 60_000,
): ReturnType<SharedRates["reserve"]> {
  return it.reserve("mail", { ...limit, count, horizonMs });
}

function assertRate(starts: readonly number[], { max, perMs }: RateLimit): void {
  const sorted = starts.toSorted(ascending);
  for (const [index, at] of sorted.entries()) {
    const before = sorted[index - max];
    if (before === undefined) continue;
    const apart = Math.round(at - before);
    assert.ok(apart >= perMs - OFF_MS, `runs ${index - max} and ${index} are ${apart} ms apart`);
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}
