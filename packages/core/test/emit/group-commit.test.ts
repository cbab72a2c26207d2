import { describe, expect, test } from "vitest";
import type { Envelope, EventProvider, PublishResult } from "../../src/contract/provider.ts";
import { BusbarError } from "../../src/errors/errors.ts";
import {
  createGate,
  memoryProvider,
  providerLike,
  startTestBus,
  type TestBus,
} from "../support/test-bus.ts";
import { idle } from "../support/manual-clock.ts";
import { collect } from "../support/collect.ts";

const ACCEPTED: PublishResult = { status: "accepted", subscriptions: 1 };
const REFUSED: PublishResult = { status: "rejected", code: "refused", reason: "no" };
const LATER: PublishResult = { ...REFUSED, retryable: true };
const FULL: PublishResult = { status: "rejected", code: "overloaded", reason: "no room" };

type Publish = EventProvider["publish"];

function startWith(publish: Publish, maxBatch?: number): Promise<TestBus> {
  const inner = memoryProvider();
  const capabilities = { ...inner.capabilities, maxBatch };
  return startTestBus({ provider: providerLike(inner, { capabilities, publish }) });
}

function events(...ids: string[]): { id: string; name: string; data: null }[] {
  return ids.map((id) => ({ id, name: "order.placed", data: null }));
}

function idsOf(batch: readonly Envelope[]): string[] {
  return batch.map(({ id }) => id);
}

describe("an emit", () => {
  test("rejects after emitTimeoutMs when the provider does not answer: the outcome is unknown", async () => {
    const { bus, clock } = await startWith(() => new Promise(() => {}));
    const emit = expect(bus.emit(events("1", "2"))).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      message: `Provider "memory" did not answer within 10000 ms`,
      details: { timeoutMs: 10_000, accepted: [], rejected: [], unknown: ["1", "2"] },
    });
    await clock.advance(9999);
    let done = false;
    void emit.then(() => (done = true));
    await idle();
    expect(done).toBe(false);
    await clock.advance(1);
    await emit;
  });

  test("each has its own deadline", async () => {
    const { bus, clock } = await startWith(() => new Promise(() => {}));
    const ended: string[] = [];
    const emit = (id: string) => void bus.emit(events(id)).catch(() => ended.push(id));
    emit("1");
    await clock.advance(3000);
    emit("2");
    await clock.advance(6999);
    expect(ended).toEqual([]);
    await clock.advance(1);
    expect(ended).toEqual(["1"]);
    await clock.advance(3000);
    expect(ended).toEqual(["1", "2"]);
  });

  test("tells the provider its deadline, and whether it comes from a handler", async () => {
    const inner = memoryProvider();
    const seen: unknown[] = [];
    const provider = providerLike(inner, {
      publish: (batch, options) => {
        seen.push([batch[0]?.name, options]);
        return inner.publish(batch, options);
      },
    });
    const { bus, clock } = await startTestBus({ provider, emitTimeoutMs: 500 });
    const deadline = clock.monotonic() + 500;
    bus.subscribe("a", async () => void (await bus.emit("b", null)));
    await bus.emit("a", null);
    await bus.settled();
    expect(seen).toEqual([
      ["a", { deadline, inHandler: false }],
      ["b", { deadline, inHandler: true }],
    ]);
  });

  test.each([
    ["BUSBAR_UNAVAILABLE", REFUSED, "no"],
    ["BUSBAR_OVERLOADED", FULL, "no room"],
  ])("of an array rejects with %s and what is known of each", async (code, refusal, reason) => {
    const { bus } = await startWith(async () => [
      ACCEPTED,
      refusal,
      { status: "duplicate", subscriptions: 1 },
      refusal,
    ]);
    const emit = bus.emit(events("1", "2", "3", "4"));
    await expect(emit).rejects.toMatchObject({
      code,
      details: {
        accepted: ["1", "3"],
        rejected: [
          { id: "2", reason },
          { id: "4", reason },
        ],
        unknown: [],
      },
    });
    await expect(emit).rejects.toThrow(`Provider "memory" refused 2 of 4 events: ${reason}`);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1, duplicates: 1 });
  });

  test("rejects at once where the provider says later, and nothing of it leaves behind that", async () => {
    const asked: string[][] = [];
    const { bus, clock } = await startWith(async (batch) => {
      asked.push(idsOf(batch));
      return batch.map(() => ({ ...REFUSED, retryable: "later" }) as const);
    }, 2);
    const emits = [bus.emit(events("1", "2", "3")), bus.emit(events("4"))];
    const errors = await Promise.all(emits.map((emit) => emit.catch((error: unknown) => error)));
    await clock.advance(1_000);
    expect(asked).toEqual([["1", "2"], ["4"]]);
    for (const error of errors) expect(error).toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
    const [first] = errors as [BusbarError<"BUSBAR_UNAVAILABLE">];
    expect(first.details.rejected?.map(({ id }) => id)).toEqual(["1", "2", "3"]);
    expect(first.details.retryable).toBeUndefined();
  });

  test("shows of the reason of a refusal what may be logged, and not without end", async () => {
    const reason = `redis://:hunter2@host did not take ${"x".repeat(100_000)}`;
    const { bus } = await startWith(async () => [{ ...REFUSED, reason } as PublishResult]);
    const error = await bus.emit(events("1")).catch((thrown: unknown) => thrown);
    const said = JSON.stringify([(error as BusbarError).message, (error as BusbarError).details]);
    expect(said).toContain("redis://…@host did not take");
    expect(said).not.toContain("hunter2");
    expect(said.length).toBeLessThan(5_000);
  });

  test("carries the cause of a refusal", async () => {
    const cause = new Error("READONLY");
    const { bus } = await startWith(async () => [{ ...REFUSED, cause } as PublishResult]);
    await expect(bus.emit(events("1"))).rejects.toMatchObject({ cause });
  });

  test("retries refusals that are worth it, until they are accepted", async () => {
    const batches: string[][] = [];
    const { bus, clock } = await startWith(async (batch) => {
      batches.push(idsOf(batch));
      return batch.map(({ id }) => (id === "2" && batches.length < 4 ? LATER : ACCEPTED));
    });
    const emit = bus.emit(events("1", "2", "3"));
    await clock.advance(1000);
    expect(await emit).toEqual(["1", "2", "3"]);
    expect(batches).toEqual([["1", "2", "3"], ["2"], ["2"], ["2"]]);
    expect((await bus.inspect()).counters.emitted).toBe(3);
    expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
  });

  test("keeps the process alive while it waits to retry", async () => {
    let publishes = 0;
    const { bus, clock } = await startWith(async () => [publishes++ === 0 ? LATER : ACCEPTED]);
    const emit = bus.emit(events("1"));
    await idle();
    expect(clock.pendingTimers({ keepAlive: true })).toBe(1);
    await clock.advance(1000);
    await emit;
  });

  test("retries refusals that are worth it until the deadline, and no longer", async () => {
    const { bus, clock } = await startWith(async (batch) =>
      batch.map(({ id }) => (id === "1" ? ACCEPTED : LATER)),
    );
    const emit = expect(bus.emit(events("1", "2"))).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      details: { accepted: ["1"], rejected: [{ id: "2", reason: "no" }], unknown: [] },
    });
    await clock.advance(10_000);
    await emit;
  });

  test.each<[string, () => Promise<PublishResult[]>, string]>([
    ["throws", () => Promise.reject(new Error("reset")), "BUSBAR_UNAVAILABLE"],
    ["does not answer", () => new Promise(() => {}), "BUSBAR_EMIT_TIMEOUT"],
  ])("says what was accepted when a retry of the rest %s", async (_, fail, code) => {
    let publishes = 0;
    const { bus, clock } = await startWith((batch) =>
      publishes++ === 0
        ? Promise.resolve(batch.map(({ id }) => (id === "2" ? LATER : ACCEPTED)))
        : fail(),
    );
    const emit = expect(bus.emit(events("1", "2", "3"))).rejects.toMatchObject({
      code,
      details: { accepted: ["1", "3"], rejected: [], unknown: ["2"] },
    });
    await clock.advance(10_000);
    await emit;
    expect((await bus.inspect()).counters.emitted).toBe(2);
  });

  test.each<[string, (error: Error) => Publish]>([
    ["rejects", (error) => () => Promise.reject(error)],
    [
      "throws",
      (error) => () => {
        throw error;
      },
    ],
  ])("wraps what the provider %s, with its cause; the outcome is unknown", async (_, fail) => {
    const cause = new Error("socket hang up");
    const { bus } = await startWith(fail(cause));
    await expect(bus.emit(events("1", "2"))).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      message: `Provider "memory" could not publish: socket hang up`,
      details: { provider: "memory", accepted: [], rejected: [], unknown: ["1", "2"] },
      cause,
    });
  });

  test("passes a copy of a BusbarError of the provider's on", async () => {
    const error = new BusbarError("BUSBAR_UNSUPPORTED", "no", { provider: "memory", option: "x" });
    const { bus } = await startWith(() => Promise.reject(error));
    const { code, message, details } = error;
    await expect(bus.emit(events("1"))).rejects.toMatchObject({ code, message, details });
  });

  test("is refused when the provider answers for fewer envelopes than it was given", async () => {
    const { bus } = await startWith(async () => [ACCEPTED]);
    await expect(bus.emit(events("1", "2"))).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      details: { unknown: ["1", "2"] },
    });
  });

  test("of a mixed array says that the grouped events are staged when the single ones are refused", async () => {
    const { bus } = await startWith(async () => [REFUSED]);
    const [single, grouped] = events("1", "2");
    const emit = bus.emit([single!, { ...grouped!, metadata: { eventGroupId: "g" } }]);
    await expect(emit).rejects.toMatchObject({
      details: { accepted: ["2"], rejected: [{ id: "1" }] },
    });
    expect((await bus.inspect()).groups).toMatchObject([{ eventGroupId: "g", events: 1 }]);
  });
});

describe("an emit after subscribe", () => {
  test("waits until the subscription is declared, and a declare that fails is tried again", async () => {
    const inner = memoryProvider();
    let declares = 0;
    const provider = providerLike(inner, {
      subscriptions: {
        ...inner.subscriptions,
        declare: async (specs) => {
          declares += 1;
          if (declares < 3) throw new Error("down");
          await inner.subscriptions.declare(specs);
        },
      },
    });
    const { bus, clock, logger } = await startTestBus({ provider });
    const seen = collect(bus);
    let done = false;
    const emit = bus.emit("order.placed", 1).then(() => (done = true));
    await clock.advance(1999);
    expect(done).toBe(false);
    await clock.advance(1);
    await emit;
    await bus.settled();
    expect(seen.data).toEqual([1]);
    expect(logger.at("warn")).toHaveLength(2);
  });

  test("rejects in time when the subscription cannot be declared; nothing is sent", async () => {
    const inner = memoryProvider();
    const published: unknown[] = [];
    const provider = providerLike(inner, {
      publish: (batch, options) => {
        published.push(...batch);
        return inner.publish(batch, options);
      },
      subscriptions: { ...inner.subscriptions, declare: () => Promise.reject(new Error("down")) },
    });
    const { bus, clock } = await startTestBus({ provider });
    collect(bus);
    const emit = expect(bus.emit("order.placed", 1)).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      details: { accepted: [], unknown: [] },
    });
    await clock.advance(10_000);
    await emit;
    expect(published).toEqual([]);
  });
});

describe("group commit", () => {
  /** A provider whose publishes last until the test ends them. */
  function openPublishes(maxBatch: number) {
    const batches: string[][] = [];
    const ends: ((answer: PublishResult[] | Error) => void)[] = [];
    const started = startWith((batch) => {
      batches.push(idsOf(batch));
      return new Promise((resolve, reject) => {
        ends.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      });
    }, maxBatch);
    const end = async (index: number, answer?: PublishResult[] | Error): Promise<void> => {
      ends[index]?.(answer ?? (batches[index] ?? []).map(() => ACCEPTED));
      await idle();
    };
    return { started, batches, end };
  }

  /** What happens in this turn of the event loop has happened. */
  const turnOver = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

  test("a lone emit leaves in its own turn of the event loop", async () => {
    const { started, batches, end } = openPublishes(10);
    const { bus } = await started;
    const emit = bus.emit(events("1"));
    await turnOver();
    expect(batches).toEqual([["1"]]);
    await end(0);
    expect(await emit).toEqual(["1"]);
    const next = bus.emit(events("2"));
    await turnOver();
    expect(batches).toEqual([["1"], ["2"]]);
    await end(1);
    await next;
  });

  test("what is emitted in one turn of the event loop leaves together", async () => {
    const { started, batches, end } = openPublishes(10);
    const { bus } = await started;
    const again = async (id: string): Promise<void> => {
      await bus.emit(events(id));
      await bus.emit(events(`${id}-again`));
    };
    const emits = ["1", "2", "3"].map(again);
    await turnOver();
    expect(batches).toEqual([["1", "2", "3"]]);
    await end(0);
    expect(batches[1]).toEqual(["1-again", "2-again", "3-again"]);
    await end(1);
    await Promise.all(emits);
    expect(batches).toHaveLength(2);
  });

  test("what is emitted during a publish leaves together in the next, at most maxBatch, in order", async () => {
    const { started, batches, end } = openPublishes(3);
    const { bus } = await started;
    const first = bus.emit(events("1"));
    await idle();
    const emits = [first, ...["2", "3", "4", "5"].map((id) => bus.emit(events(id)))];
    await idle();
    expect(batches).toEqual([["1"]]);
    await end(0);
    expect(batches).toEqual([["1"], ["2", "3", "4"]]);
    await end(1);
    expect(batches).toEqual([["1"], ["2", "3", "4"], ["5"]]);
    await end(2);
    expect((await Promise.all(emits)).flat()).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("an array that is larger than maxBatch is split, and shares its last batch", async () => {
    const { started, batches, end } = openPublishes(2);
    const { bus } = await started;
    const large = bus.emit(events("1", "2", "3", "4", "5"));
    const small = bus.emit(events("6"));
    await idle();
    for (const index of [0, 1, 2]) await end(index);
    expect(batches).toEqual([
      ["1", "2"],
      ["3", "4"],
      ["5", "6"],
    ]);
    expect(await large).toEqual(["1", "2", "3", "4", "5"]);
    expect(await small).toEqual(["6"]);
  });

  test("behind a refusal that is worth another try nothing of an array overtakes it", async () => {
    const { started, batches, end } = openPublishes(2);
    const { bus, clock } = await started;
    const large = bus.emit(events("1", "2", "3", "4", "5"));
    const small = bus.emit(events("6"));
    await idle();
    await end(0, [LATER, LATER]);
    await end(1);
    await small;
    await clock.advance(50);
    for (const index of [2, 3, 4]) await end(index);
    expect(batches).toEqual([["1", "2"], ["6"], ["1", "2"], ["3", "4"], ["5"]]);
    expect(await large).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("each emit gets the results of its own events", async () => {
    const { started, end } = openPublishes(10);
    const { bus } = await started;
    const first = bus.emit(events("0"));
    await idle();
    const fine = bus.emit(events("1"));
    const partly = bus.emit(events("2", "3"));
    const full = bus.emit(events("4"));
    const outcomes = Promise.allSettled([first, fine, partly, full]);
    await end(0);
    await end(1, [ACCEPTED, ACCEPTED, REFUSED, FULL]);
    expect(await outcomes).toMatchObject([
      { status: "fulfilled", value: ["0"] },
      { status: "fulfilled", value: ["1"] },
      {
        status: "rejected",
        reason: {
          code: "BUSBAR_UNAVAILABLE",
          details: { accepted: ["2"], rejected: [{ id: "3" }], unknown: [] },
        },
      },
      {
        status: "rejected",
        reason: { code: "BUSBAR_OVERLOADED", details: { accepted: [], rejected: [{ id: "4" }] } },
      },
    ]);
  });

  test("a batch that fails fails its own emits only, each with what is known of its own events", async () => {
    const { started, batches, end } = openPublishes(2);
    const { bus } = await started;
    const first = bus.emit(events("1"));
    await idle();
    const outcomes = Promise.allSettled([
      first,
      bus.emit(events("2")),
      bus.emit(events("3", "4", "5", "6")),
      bus.emit(events("7")),
    ]);
    await end(0);
    await end(1, new Error("reset"));
    expect(batches).toEqual([["1"], ["2", "3"], ["7"]]);
    await end(2);
    expect(await outcomes).toMatchObject([
      { status: "fulfilled" },
      {
        reason: {
          code: "BUSBAR_UNAVAILABLE",
          details: { accepted: [], rejected: [], unknown: ["2"] },
        },
      },
      {
        reason: {
          code: "BUSBAR_UNAVAILABLE",
          details: {
            accepted: [],
            rejected: ["4", "5", "6"].map((id) => ({
              id,
              reason: "was not handed to the provider",
            })),
            unknown: ["3"],
          },
        },
      },
      { status: "fulfilled" },
    ]);
    expect((await bus.inspect()).counters.emitted).toBe(2);
  });

  test("says what was accepted of an array whose later batch fails, and counts it", async () => {
    const { started, end } = openPublishes(2);
    const { bus } = await started;
    const emit = expect(bus.emit(events("1", "2", "3", "4", "5"))).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      details: { accepted: ["1", "2"], rejected: [{ id: "5" }], unknown: ["3", "4"] },
    });
    await idle();
    await end(0);
    await end(1, new Error("reset"));
    await emit;
    expect((await bus.inspect()).counters.emitted).toBe(2);
  });

  test("a batch that hangs does not block later ones beyond its deadline", async () => {
    const { started, batches, end } = openPublishes(10);
    const { bus, clock } = await started;
    const hung = expect(bus.emit(events("1"))).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      details: { unknown: ["1"], rejected: [] },
    });
    await clock.advance(1000);
    const later = bus.emit(events("2"));
    await clock.advance(8999);
    expect(batches).toEqual([["1"]]);
    await clock.advance(1);
    await hung;
    expect(batches).toEqual([["1"], ["2"]]);
    await end(1);
    expect(await later).toEqual(["2"]);
  });

  test("events that never left are reported as rejected, and are not sent any more", async () => {
    const { started, batches, end } = openPublishes(2);
    const { bus, clock } = await started;
    const first = bus.emit(events("1"));
    await idle();
    const hung = expect(bus.emit(events("2", "3"))).rejects.toMatchObject({
      details: { accepted: [], rejected: [], unknown: ["2", "3"] },
    });
    const waiting = expect(bus.emit(events("4", "5"))).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      details: {
        accepted: [],
        rejected: ["4", "5"].map((id) => ({ id, reason: "was not handed to the provider" })),
        unknown: [],
      },
    });
    await clock.advance(5000);
    await end(0);
    await first;
    await clock.advance(5000);
    await Promise.all([hung, waiting]);
    await end(1);
    await clock.advance(20_000);
    expect(batches).toEqual([["1"], ["2", "3"]]);
  });

  test("of an array in the middle of its batches each event is reported as it is", async () => {
    const { started, end } = openPublishes(2);
    const { bus, clock } = await started;
    const emit = expect(bus.emit(events("1", "2", "3", "4", "5"))).rejects.toMatchObject({
      code: "BUSBAR_EMIT_TIMEOUT",
      details: { accepted: ["1", "2"], rejected: [{ id: "5" }], unknown: ["3", "4"] },
    });
    await idle();
    await end(0);
    await clock.advance(10_000);
    await emit;
    expect((await bus.inspect()).counters.emitted).toBe(2);
  });

  test("delivers everything, once, under many emits at the same time", async () => {
    const inner = memoryProvider();
    const gate = createGate();
    let largest = 0;
    const provider = providerLike(inner, {
      capabilities: { ...inner.capabilities, maxBatch: 7 },
      publish: async (batch, options) => {
        largest = Math.max(largest, batch.length);
        await gate.opened;
        return inner.publish(batch, options);
      },
    });
    const { bus } = await startTestBus({ provider });
    const seen = collect(bus, { subscriberId: "s", concurrency: 1 });
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    const emits = numbers.map((data) => bus.emit("order.placed", data));
    gate.open();
    await Promise.all(emits);
    await bus.settled();
    expect(seen.data).toEqual(numbers);
    expect(largest).toBe(7);
  });
});

describe("callers that leave together and are refused for good", () => {
  const FOR_GOOD: PublishResult = { ...REFUSED, retryable: false };

  /** A bus whose provider refuses every batch that has one of these, as a whole. */
  async function startRefusing(
    refuse: (batch: readonly Envelope[]) => readonly PublishResult[],
    maxBatch = 10,
  ) {
    const batches: string[][] = [];
    const { bus, clock } = await startWith(async (batch) => {
      batches.push(idsOf(batch));
      return idsOf(batch).some((id) => id.startsWith("bad"))
        ? refuse(batch)
        : batch.map(() => ACCEPTED);
    }, maxBatch);
    return { bus, clock, batches };
  }

  function outcomes(emits: readonly Promise<unknown>[]): Promise<readonly string[]> {
    return Promise.all(
      emits.map((emit) =>
        emit.then(
          () => "accepted",
          (error: BusbarError) => error.code,
        ),
      ),
    );
  }

  test.each([
    ["by results", false, (batch: readonly Envelope[]) => batch.map(() => FOR_GOOD)],
    ["by results that do not say for how long", undefined, (batch) => batch.map(() => REFUSED)],
    [
      "by an error that says so",
      false,
      () => {
        const details = { provider: "memory", retryable: false };
        throw new BusbarError("BUSBAR_UNAVAILABLE", "too large", details);
      },
    ],
    [
      "by a RangeError",
      false,
      () => {
        throw new RangeError("Maximum call stack size exceeded");
      },
    ],
  ] as const satisfies readonly (readonly [
    string,
    boolean | undefined,
    (batch: readonly Envelope[]) => readonly PublishResult[],
  ])[])("leave again, each on its own and once: %s", async (_, retryable, refuse) => {
    const { bus, batches } = await startRefusing(refuse);
    const emits = [["1", "2"], ["bad-3"], ["4"], ["bad-5", "6"]].map((ids) =>
      bus.emit(events(...ids)),
    );
    const late = emits[3]?.catch((error: unknown) => error);
    expect(await outcomes(emits)).toEqual([
      "accepted",
      "BUSBAR_UNAVAILABLE",
      "accepted",
      "BUSBAR_UNAVAILABLE",
    ]);
    expect(((await late) as BusbarError<"BUSBAR_UNAVAILABLE">).details.retryable).toBe(retryable);
    expect(batches).toEqual([
      ["1", "2", "bad-3", "4", "bad-5", "6"],
      ["1", "2"],
      ["bad-3"],
      ["4"],
      ["bad-5", "6"],
    ]);
    expect((await bus.inspect()).counters.emitted).toBe(3);
  });

  test("go before what is emitted later, and the rest of a call follows its part", async () => {
    const { bus, batches } = await startRefusing((batch) => batch.map(() => FOR_GOOD), 3);
    const emits = [["1"], ["bad-2"], ["3", "4", "5"]].map((ids) => bus.emit(events(...ids)));
    expect(await outcomes(emits)).toEqual(["accepted", "BUSBAR_UNAVAILABLE", "accepted"]);
    expect(batches).toEqual([["1", "bad-2", "3"], ["1"], ["bad-2"], ["3"], ["4", "5"]]);
  });

  test("are left alone if the provider has judged each by itself", async () => {
    const { bus, batches } = await startRefusing((batch) =>
      batch.map(({ id }) => (id.startsWith("bad") ? FOR_GOOD : ACCEPTED)),
    );
    const emits = [["1"], ["bad-2"], ["3", "bad-4"]].map((ids) => bus.emit(events(...ids)));
    expect(await outcomes(emits)).toEqual(["accepted", "BUSBAR_UNAVAILABLE", "BUSBAR_UNAVAILABLE"]);
    expect(batches).toHaveLength(1);
  });

  test.each([
    ["for the moment", LATER],
    ["for lack of room", FULL],
  ])("are not split if they are refused %s", async (_, result) => {
    const batches: string[][] = [];
    const { bus, clock } = await startWith(async (batch) => {
      batches.push(idsOf(batch));
      return batch.map(() => (batches.length === 1 ? result : ACCEPTED));
    }, 10);
    const emits = outcomes(["1", "2"].map((id) => bus.emit(events(id))));
    await clock.advance(1_000);
    await emits;
    expect(batches.filter((ids) => ids.length === 1)).toHaveLength(result === LATER ? 2 : 0);
  });

  test("do not leave any more once their time is over", async () => {
    const batches: string[][] = [];
    const gate = createGate();
    const { bus, clock } = await startWith(async (batch) => {
      batches.push(idsOf(batch));
      if (batches.length === 2) await gate.opened;
      return batch.map(() => (batches.length === 1 ? FOR_GOOD : ACCEPTED));
    }, 10);
    const emits = ["1", "2"].map((id) => bus.emit(events(id)));
    const errors = Promise.all(emits.map((emit) => emit.catch((error: unknown) => error)));
    await idle();
    await clock.advance(10_000);
    expect(await errors).toMatchObject([
      { code: "BUSBAR_EMIT_TIMEOUT", details: { unknown: ["1"] } },
      { code: "BUSBAR_EMIT_TIMEOUT", details: { rejected: [{ id: "2", reason: "no" }] } },
    ]);
    gate.open();
    await bus.emit(events("3"));
    expect(batches).toEqual([["1", "2"], ["1"], ["3"]]);
  });
});
