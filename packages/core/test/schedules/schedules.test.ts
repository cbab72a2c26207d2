import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";
import type { Schedule } from "../../src/contract/schedule.ts";
import { collect } from "../support/collect.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import {
  createGate,
  createTestBus,
  memoryProvider,
  providerLike,
  startTestBus,
} from "../support/test-bus.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** When the clock of a test begins. */
const BEGIN = Date.UTC(2026, 0, 1);
const everyMinute: Schedule = { everyMs: MINUTE, event: "tick", data: { n: 1 } };

describe("a schedule", () => {
  test("emits its event at each due time", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    await bus.schedules.set("report", {
      cron: "0 2 * * *",
      timeZone: "Europe/Berlin",
      event: "report.requested",
      data: { report: "sales" },
      options: { priority: "low" },
    });
    await clock.advance(2 * DAY);
    expect(events.map(({ id, name, data }) => ({ id, name, data }))).toEqual([
      {
        id: "report@2026-01-01T01:00:00.000Z",
        name: "report.requested",
        data: { report: "sales" },
      },
      {
        id: "report@2026-01-02T01:00:00.000Z",
        name: "report.requested",
        data: { report: "sales" },
      },
    ]);
    expect(events[1]?.metadata).toMatchObject({
      scheduleId: "report",
      dueAt: "2026-01-02T01:00:00.000Z",
      createdAt: new Date("2026-01-02T01:00:00.000Z"),
      correlationId: "report@2026-01-02T01:00:00.000Z",
    });
    expect(await bus.schedules.get("report")).toEqual({
      id: "report",
      schedule: {
        cron: "0 2 * * *",
        timeZone: "Europe/Berlin",
        event: "report.requested",
        data: { report: "sales" },
        options: { priority: "low" },
      },
      paused: false,
      nextDueAt: new Date("2026-01-03T01:00:00.000Z"),
      lastDueAt: new Date("2026-01-02T01:00:00.000Z"),
      lastFiredAt: new Date("2026-01-02T01:00:00.000Z"),
      emitted: 2,
    });
  });

  test("emits 24 hours of cron over a change to summer time in two zones", async () => {
    const clock = createManualClock(Date.parse("2026-03-28T23:00Z"));
    const bus = createEventBus({ provider: memoryProvider(), clock, logger: false });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    await bus.start();
    const { events } = collect(bus);
    for (const [id, timeZone] of [
      ["berlin", "Europe/Berlin"],
      ["london", "Europe/London"],
    ] as const) {
      await bus.schedules.set(id, { cron: "30 1,2 * * *", timeZone, event: "tick", data: {} });
    }
    await bus.schedules.set("quarter", {
      cron: "*/15 * * * *",
      timeZone: "Europe/Berlin",
      event: "tick",
      data: {},
    });
    await clock.advance(DAY);
    const of = (id: string) =>
      events.filter(({ metadata }) => metadata.scheduleId === id).map((it) => it.id.slice(-24, -8));
    // 01:30 CET, and at the end of the gap instead of 02:30.
    expect(of("berlin")).toEqual(["2026-03-29T00:30", "2026-03-29T01:00"]);
    expect(of("london")).toEqual(["2026-03-29T01:00", "2026-03-29T01:30"]);
    expect(new Set(of("quarter")).size).toBe(96);
    expect(events).toHaveLength(100);
  });

  test("is set once, however many processes set it", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(50_000);
    await bus.schedules.set("tick", { data: { n: 1 }, event: "tick", everyMs: MINUTE });
    await clock.advance(15_000);
    expect(events.map(({ id }) => id)).toEqual(["tick@2026-01-01T00:01:00.000Z"]);
  });

  test("keeps its due times when only the event changes, and begins anew when they change", async () => {
    const { bus, clock } = await startTestBus();
    const collected = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(50_000);
    await bus.schedules.set("tick", { ...everyMinute, data: { n: 2 } });
    await clock.advance(10_000);
    await bus.schedules.set("tick", { ...everyMinute, everyMs: 2 * MINUTE });
    const { nextDueAt, emitted } = (await bus.schedules.get("tick")) ?? {};
    expect({ nextDueAt, emitted }).toEqual({
      nextDueAt: new Date(clock.now() + 2 * MINUTE),
      emitted: 1,
    });
    await clock.advance(2 * MINUTE);
    expect(collected.data).toEqual([{ n: 2 }, { n: 1 }]);
  });

  test("ends, and is still listed", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    const endAt = new Date(clock.now() + 150_000);
    const ending = { ...everyMinute, endAt };
    await bus.schedules.set("tick", ending);
    await clock.advance(HOUR);
    expect(events).toHaveLength(2);
    expect(await bus.schedules.list()).toMatchObject([
      { id: "tick", emitted: 2, schedule: { endAt } },
    ]);
    expect(await bus.schedules.get("tick")).not.toHaveProperty("nextDueAt");
    // A program that still has it in its options starts.
    await bus.schedules.set("tick", ending);
    await bus.schedules.set("other", ending);
    expect(await bus.schedules.get("other")).not.toHaveProperty("nextDueAt");
  });

  test("is paused, resumed from now on, and removed", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    await bus.schedules.pause("tick");
    await bus.schedules.pause("tick");
    expect(await bus.schedules.get("tick")).toMatchObject({ paused: true });
    expect(await bus.schedules.get("tick")).not.toHaveProperty("nextDueAt");
    await clock.advance(10 * MINUTE + 30_000);
    // A change while it is paused does not resume it.
    await bus.schedules.set("tick", { ...everyMinute, data: { n: 2 } });
    await bus.schedules.set("tick", { ...everyMinute, everyMs: 2 * MINUTE });
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(HOUR);
    expect(events).toEqual([]);
    await bus.schedules.resume("tick");
    await bus.schedules.resume("tick");
    await clock.advance(MINUTE);
    expect(events).toHaveLength(1);
    expect(await bus.schedules.remove("tick")).toBe(true);
    expect(await bus.schedules.remove("tick")).toBe(false);
    expect(await bus.schedules.get("tick")).toBeUndefined();
    await clock.advance(HOUR);
    expect(events).toHaveLength(1);
    await expect(bus.schedules.pause("tick")).rejects.toMatchObject({
      code: "BUSBAR_NOT_FOUND",
      details: { kind: "schedule", id: "tick" },
    });
  });

  test("is triggered by hand, also while it is paused", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    await bus.schedules.pause("tick");
    const eventId = await bus.schedules.trigger("tick");
    await idle();
    expect(events).toMatchObject([
      {
        id: eventId,
        data: { n: 1 },
        metadata: { scheduleId: "tick", dueAt: new Date(clock.now()).toISOString() },
      },
    ]);
    await expect(bus.schedules.trigger("tock")).rejects.toThrow(
      /There is no schedule "tock".*"tick"/,
    );
  });

  test("that a handler sets is not caused by what the handler handles", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus, { subscriberId: "ticks" }, "tick");
    bus.subscribe("go", () => bus.schedules.set("tick", everyMinute), { subscriberId: "go" });
    await bus.emit("go", null);
    await clock.advance(MINUTE);
    expect(events[0]?.metadata).not.toHaveProperty("causationId");
  });

  test("emits in order of its key, under the defaults of the bus, through interceptors", async () => {
    const { bus, clock } = await startTestBus({ defaults: { attempts: 3 } });
    const attempts: unknown[] = [];
    bus.subscribe(
      "tick",
      (event, { attempt }) => {
        attempts.push([event.data, attempt]);
        if (attempt < 3) throw new Error("again");
      },
      { subscriberId: "ticks", ordering: "key" },
    );
    bus.addInterceptor((event) => ({ ...event, data: { intercepted: event.metadata.scheduleId } }));
    await bus.schedules.set("tick", { ...everyMinute, options: { orderingKey: "k" } });
    await clock.advance(MINUTE);
    expect(attempts).toEqual([1, 2, 3].map((attempt) => [{ intercepted: "tick" }, attempt]));
  });

  test("whose event an interceptor drops goes on, and emits nothing", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    bus.addInterceptor(() => null);
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(3 * MINUTE);
    expect(events).toEqual([]);
    const { lastFiredAt, emitted, nextDueAt } = (await bus.schedules.get("tick")) ?? {};
    expect({ lastFiredAt, emitted, nextDueAt }).toEqual({
      lastFiredAt: undefined,
      emitted: 0,
      nextDueAt: new Date(clock.now() + MINUTE),
    });
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 0, intercepted: 3 });
  });

  test("whose event nobody wants is counted as unrouted", async () => {
    const { bus, clock } = await startTestBus();
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(MINUTE);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1, unrouted: 1 });
  });

  test("is waited for in settled() once its event is out, and not before", async () => {
    const { bus, clock } = await startTestBus();
    const gate = createGate();
    bus.subscribe("tick", () => gate.opened, { subscriberId: "ticks" });
    await bus.schedules.set("tick", everyMinute);
    await bus.settled();
    await clock.advance(MINUTE);
    const settled = bus.settled({ timeoutMs: 1 });
    const refused = expect(settled).rejects.toMatchObject({ code: "BUSBAR_NOT_SETTLED" });
    await clock.advance(1);
    await refused;
    gate.open();
    await bus.settled();
  });
});

describe("due times that were missed", () => {
  test.each([
    ["once", ["00:10"]],
    ["skip", ["00:09", "00:10"]],
    [
      "all",
      ["00:01", "00:02", "00:03", "00:04", "00:05", "00:06", "00:07", "00:08", "00:09", "00:10"],
    ],
  ] as const)("lead to what the policy %s says", async (misfire, expected) => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    await bus.schedules.set("tick", { ...everyMinute, misfire });
    // The machine has slept.
    clock.stepWall(9 * MINUTE);
    await clock.advance(MINUTE);
    expect(events.map(({ id }) => id.slice(-13, -8))).toEqual(expected);
    await clock.advance(MINUTE);
    expect(events.at(-1)?.id).toBe("tick@2026-01-01T00:11:00.000Z");
  });

  test("does not come twice when the clock is set back", async () => {
    const { bus, clock } = await startTestBus();
    const { events } = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(MINUTE);
    clock.stepWall(-HOUR);
    await clock.advance(HOUR);
    expect(events).toHaveLength(1);
    await clock.advance(MINUTE);
    expect(events).toHaveLength(2);
  });
});

describe("an emit that fails", () => {
  test("is tried again with a growing delay, is logged and listed, and loses no due time", async () => {
    const { bus, clock, logger } = await startTestBus();
    const { events } = collect(bus);
    let fails = true;
    let tries = 0;
    bus.addInterceptor(() => {
      tries += 1;
      if (fails) throw new Error("no tenant");
    });
    await bus.schedules.set("tick", { ...everyMinute, misfire: "all" });
    await clock.advance(MINUTE);
    const failedAt = clock.now();
    expect(await bus.schedules.list()).toMatchObject([
      {
        nextDueAt: new Date(failedAt),
        emitted: 0,
        lastError: {
          message: "no tenant",
          at: new Date(failedAt),
          attempts: 1,
          retryAt: new Date(failedAt + 1_000),
        },
      },
    ]);
    expect(logger.at("error")).toMatchObject([
      {
        fields: { scheduleId: "tick", attempts: 1 },
        message: 'Schedule "tick" could not emit; this process tries it again in 1000 ms',
      },
    ]);
    await clock.advance(61_000);
    // After 1, 2, 4, 8, 16 and 32 s, each with one due time, and the last with two.
    expect(tries).toBe(6);
    fails = false;
    await clock.advance(2_000);
    expect(events.map(({ id }) => id)).toEqual([
      "tick@2026-01-01T00:01:00.000Z",
      "tick@2026-01-01T00:02:00.000Z",
    ]);
    expect(await bus.schedules.get("tick")).not.toHaveProperty("lastError");
  });

  test("keeps no other process from emitting, even if that takes longer", async () => {
    const clock = createManualClock();
    const inner = memoryProvider();
    const second = providerLike(inner, {
      start: async () => {},
      stop: async () => {},
      schedules: inner.schedules,
    });
    const [slow, refusing] = [inner, second].map((provider) => {
      const bus = createEventBus({ provider, clock, logger: false });
      onTestFinished(() => bus.stop({ graceMs: 0 }));
      return bus;
    }) as [EventBus, EventBus];
    slow.addInterceptor(() => new Promise((resolve) => clock.setTimeout(() => resolve(), 30)));
    // A release that is older, or newer.
    refusing.addInterceptor(() => {
      throw new Error("no such event");
    });
    await slow.start();
    await refusing.start();
    const { events } = collect(slow);
    await slow.schedules.set("tick", everyMinute);
    // The other process looks when it has set one itself.
    await refusing.schedules.set("tock", everyMinute);
    await clock.advance(10 * MINUTE + 1_000);
    const ticks = events.filter(({ id }) => id.startsWith("tick@"));
    expect(ticks.map(({ metadata }) => metadata["dueAt"])).toEqual(
      Array.from({ length: 10 }, (_, at) => new Date(BEGIN + (at + 1) * MINUTE).toISOString()),
    );
  });

  test("delays no other schedule while it hangs", async () => {
    const { bus, clock } = await startTestBus({ emitTimeoutMs: 10 * MINUTE });
    const { events } = collect(bus);
    bus.addInterceptor(({ name }) => (name === "slow" ? new Promise(() => {}) : undefined));
    await bus.schedules.set("slow", { ...everyMinute, event: "slow" });
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(5 * MINUTE);
    expect(events.map(({ name }) => name)).toEqual(Array.from({ length: 5 }, () => "tick"));
  });

  test("keeps no other schedule from emitting", async () => {
    const events = defineEvents({ a: z.object({ ok: z.literal(true) }), b: z.object({}) });
    let strict = false;
    const clock = createManualClock();
    const bus = createEventBus({
      provider: memoryProvider(),
      events: {
        ...events,
        check: (name, data) =>
          strict && name === "a" ? [{ path: "ok", reason: "is gone" }] : events.check(name, data),
      },
      clock,
      logger: false,
    });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    await bus.start();
    const seen: string[] = [];
    bus.subscribe("*", ({ name }) => void seen.push(name), { subscriberId: "all" });
    await bus.schedules.set("a", { everyMs: MINUTE, event: "a", data: { ok: true } });
    await bus.schedules.set("b", { everyMs: MINUTE, event: "b", data: {} });
    // As after a deployment.
    strict = true;
    await clock.advance(MINUTE);
    expect(seen).toEqual(["b"]);
    expect((await bus.schedules.get("a"))?.lastError).toMatchObject({
      code: "BUSBAR_INVALID_EVENT",
      attempts: 1,
    });
  });

  test("does not happen when another process was faster", async () => {
    const inner = memoryProvider();
    let lost = 2;
    const provider = providerLike(inner, {
      schedules: {
        ...inner.schedules,
        fire: async (...args) => (lost-- > 0 ? undefined : inner.schedules.fire(...args)),
      },
    });
    const { bus, clock, logger } = await startTestBus({ provider });
    const { events } = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(MINUTE + 100);
    expect(events).toHaveLength(1);
    expect(logger.at("error")).toEqual([]);
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1 });
  });

  test("waits for room in memory", async () => {
    const { bus, clock } = await startTestBus({ provider: memoryProvider({ maxPending: 1 }) });
    const { events } = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    await bus.pause("collector");
    await bus.emit("other", null);
    await clock.advance(MINUTE);
    expect((await bus.schedules.get("tick"))?.lastError).toMatchObject({
      code: "BUSBAR_OVERLOADED",
    });
    await bus.resume("collector");
    await clock.advance(1_000);
    expect(events.map(({ name }) => name)).toEqual(["other", "tick"]);
  });

  test("does not fill a queue beyond its bound, unless that is empty", async () => {
    const { bus, clock } = await startTestBus({ provider: memoryProvider({ maxPending: 5 }) });
    collect(bus);
    await bus.pause("collector");
    await bus.emit("other", null);
    await bus.schedules.set("tick", { ...everyMinute, misfire: "all" });
    clock.stepWall(60 * MINUTE);
    await clock.advance(2 * MINUTE);
    const pending = async (): Promise<number | undefined> =>
      (await bus.inspect()).subscriptions[0]?.ready;
    expect(await pending()).toBe(1);
    expect((await bus.schedules.get("tick"))?.lastError).toMatchObject({
      code: "BUSBAR_OVERLOADED",
    });
    await bus.drain("collector", { backlog: "discard" });
    await clock.advance(5 * MINUTE);
    expect(await pending()).toBeGreaterThan(5);
  });

  test("waits for the subscriptions that it names", async () => {
    const { bus, clock } = await startTestBus();
    await bus.schedules.set("tick", { ...everyMinute, options: { to: ["mail"] } });
    await clock.advance(MINUTE);
    const { lastError } = (await bus.schedules.get("tick")) ?? {};
    expect(lastError).toMatchObject({ code: "BUSBAR_NOT_FOUND", attempts: 1 });
    const [mail, other] = ["mail", "other"].map((subscriberId) => collect(bus, { subscriberId }));
    await clock.advance(1_000);
    expect([mail?.events.length, other?.events.length]).toEqual([1, 0]);
  });

  test("does not end the process's looks when the provider cannot be reached", async () => {
    const inner = memoryProvider();
    let isDown = false;
    const provider = providerLike(inner, {
      schedules: {
        ...inner.schedules,
        due: async (limit) => {
          if (isDown) throw new Error("connection lost");
          return inner.schedules.due(limit);
        },
      },
    });
    const { bus, clock, logger } = await startTestBus({ provider });
    const { events } = collect(bus);
    await bus.schedules.set("tick", everyMinute);
    isDown = true;
    await clock.advance(2 * MINUTE);
    expect(logger.at("warn")[0]?.message).toMatch(/could not be read/);
    isDown = false;
    await clock.advance(5_000);
    expect(events.map(({ id }) => id)).toEqual(["tick@2026-01-01T00:02:00.000Z"]);
  });
});

describe("the life of a bus", () => {
  test("begins with the schedules in its options", async () => {
    const { bus, clock } = createTestBus({ schedules: { tick: everyMinute } });
    const { events } = collect(bus);
    await bus.start();
    await clock.advance(MINUTE);
    expect(events).toHaveLength(1);
  });

  test("reads the stored schedules once, however many the options have", async () => {
    const inner = memoryProvider();
    const calls = { list: 0, due: 0 };
    const provider = providerLike(inner, {
      schedules: {
        ...inner.schedules,
        list: () => ((calls.list += 1), inner.schedules.list()),
        due: (limit) => ((calls.due += 1), inner.schedules.due(limit)),
      },
    });
    const schedules = Object.fromEntries(
      Array.from({ length: 50 }, (_, at) => [`tick-${at}`, everyMinute]),
    );
    const { bus } = await startTestBus({ provider, schedules });
    await idle();
    expect(calls.list).toBe(1);
    expect(calls.due).toBeLessThan(60);
    expect(await bus.schedules.list()).toHaveLength(50);
  });

  test("refuses a call without an id", async () => {
    const { bus } = await startTestBus();
    const none = undefined as unknown as string;
    for (const method of ["get", "remove", "pause", "resume", "trigger"] as const) {
      await expect(bus.schedules[method](none)).rejects.toThrow(
        `schedules.${method}(): id must be a string`,
      );
    }
  });

  test("ends the firing, and leaves no timer", async () => {
    const { bus, clock } = createTestBus({ schedules: { tick: everyMinute } });
    const { events } = collect(bus);
    await bus.start();
    await bus.stop();
    await clock.advance(HOUR);
    expect(events).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
    await expect(bus.schedules.list()).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
  });

  test("has no schedules before its start", async () => {
    const { bus } = createTestBus();
    await expect(bus.schedules.set("tick", everyMinute)).rejects.toThrow(TypeError);
  });

  test("as a tool changes schedules and does not fire", async () => {
    const { bus, clock } = await startTestBus({ role: "tool", schedules: { other: everyMinute } });
    await bus.schedules.set("tick", everyMinute);
    await clock.advance(HOUR);
    expect(await bus.schedules.list()).toMatchObject([{ id: "tick", emitted: 0 }]);
    await bus.schedules.trigger("tick");
    expect((await bus.inspect()).counters).toMatchObject({ emitted: 1 });
  });

  test("on a provider that keeps no schedules refuses them", async () => {
    const provider = providerLike(memoryProvider(), {});
    const { bus } = await startTestBus({ provider });
    const refusal = {
      code: "BUSBAR_UNSUPPORTED",
      details: { provider: "memory", option: "schedules" },
    };
    await expect(bus.schedules.list()).rejects.toMatchObject(refusal);
    const other = createTestBus({
      provider: providerLike(memoryProvider(), {}),
      schedules: { tick: everyMinute },
    });
    await expect(other.bus.start()).rejects.toMatchObject(refusal);
  });
});

describe("a schedule is refused", () => {
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ["without due times", { event: "a", data: 1 }, /must have cron or everyMs/],
    [
      "with both",
      { event: "a", data: 1, cron: "* * * * *", everyMs: 1_000 },
      /everyMs must not be given with cron/,
    ],
    [
      "with a time zone and an interval",
      { event: "a", data: 1, timeZone: "UTC", everyMs: 1_000 },
      /timeZone must not/,
    ],
    [
      "with an interval that is too short",
      { event: "a", data: 1, everyMs: 999 },
      /everyMs must be a whole number from 1000/,
    ],
    ["without an event", { data: 1, everyMs: 1_000 }, /option event must/],
    [
      "with an unknown option",
      { event: "a", data: 1, everyMs: 1_000, timezone: "UTC" },
      /no option "timezone", did you mean "timeZone"/,
    ],
    [
      "with a delay",
      { event: "a", data: 1, everyMs: 1_000, options: { delay: 5 } },
      /options.delay is not an option of a schedule/,
    ],
    [
      "with a deduplication id",
      { event: "a", data: 1, everyMs: 1_000, options: { deduplicationId: "a" } },
      /options.deduplicationId is not an option of a schedule/,
    ],
    [
      "with emit options that are wrong",
      { event: "a", data: 1, everyMs: 1_000, options: { attempts: 0 } },
      /options.attempts must/,
    ],
    [
      "with a field too few",
      { event: "a", data: 1, cron: "* * * *" },
      /cron must have 5 or 6 fields, .* "\* \* \* \*" has 4/,
    ],
    [
      "with an hour that does not exist",
      { event: "a", data: 1, cron: "0 25 * * *" },
      /cron cannot have "25" in field 2 \(hour\): Invalid value for hour: 25/,
    ],
    [
      "with a second that does not exist",
      { event: "a", data: 1, cron: "60 0 2 * * *" },
      /"60" in field 1 \(second\)/,
    ],
    [
      "with letters",
      { event: "a", data: 1, cron: "0 2 * * MOX" },
      /"MOX" in field 5 \(day of week\)/,
    ],
    ["with a name that is unknown", { event: "a", data: 1, cron: "@sometimes" }, /cron /],
    ["with a date", { event: "a", data: 1, cron: "2026-01-01T00:00:00" }, /5 or 6 fields/],
    [
      "with an unknown time zone",
      { event: "a", data: 1, cron: "0 2 * * *", timeZone: "Europe/Berln" },
      /timeZone must be a time zone of the IANA database, not "Europe\/Berln", did you mean "Europe\/Berlin"/,
    ],
    [
      "with an offset",
      { event: "a", data: 1, cron: "0 2 * * *", timeZone: "+02:00" },
      /such as "Europe\/Berlin"/,
    ],
    [
      "on a day that does not exist",
      { event: "a", data: 1, cron: "0 0 31 2 *" },
      /cron never comes due/,
    ],
    [
      "between times that have no due time",
      {
        event: "a",
        data: 1,
        cron: "@yearly",
        startAt: new Date("2026-02-01"),
        endAt: new Date("2026-03-01"),
      },
      /endAt is before the first due time/,
    ],
    [
      "with a begin that is no date",
      { event: "a", data: 1, everyMs: 1_000, startAt: "2026-02-01" },
      /startAt must be a valid Date/,
    ],
    [
      "with a policy that does not exist",
      { event: "a", data: 1, everyMs: 1_000, misfire: "never" },
      /misfire must be "once", "all" or "skip"/,
    ],
  ];
  test.each(cases)("%s", async (_, schedule, message) => {
    const { bus } = await startTestBus();
    const set = bus.schedules.set("x", schedule as Schedule);
    await expect(set).rejects.toThrow(message);
    await expect(set).rejects.toThrow(/^schedules\.set\("x"\)/);
    await expect(set).rejects.toBeInstanceOf(TypeError);
    expect(await bus.schedules.list()).toEqual([]);
    const { bus: other } = createTestBus({ schedules: { x: schedule as Schedule } });
    await expect(other.start()).rejects.toThrow(/^createEventBus\(\).*schedules\.x/);
  });

  test("when the bus would refuse its event", async () => {
    const { bus } = await startTestBus({ maxPayloadBytes: 100 });
    const set = (event: string, data: unknown) =>
      bus.schedules.set("x", { everyMs: 1_000, event, data });
    await expect(set("a", { at: () => {} })).rejects.toMatchObject({
      code: "BUSBAR_INVALID_MESSAGE",
      message: expect.stringMatching(/^Schedule "x": .*data.at/),
    });
    await expect(set("a b*", {})).rejects.toMatchObject({ code: "BUSBAR_INVALID_MESSAGE" });
    await expect(set("a", "x".repeat(100))).rejects.toThrow(/maxPayloadBytes/);
    await expect(set("a", undefined)).rejects.toMatchObject({ code: "BUSBAR_INVALID_MESSAGE" });
    expect(await bus.schedules.list()).toEqual([]);
  });

  test.each([
    ["", /1 to 200/],
    ["x".repeat(201), /1 to 200/],
    ["a\n", /printable/],
  ])("with an id as %j", async (id, message) => {
    const { bus } = await startTestBus();
    await expect(bus.schedules.set(id, everyMinute)).rejects.toThrow(message);
  });
});
