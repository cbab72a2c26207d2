import { randomUUID } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Envelope, PublishResult, ScheduleStore } from "@busbar/core/provider";
import { createKeys } from "../src/store/keys.ts";
import { createSchedules } from "../src/schedules/schedules.ts";
import { eventually } from "./support/eventually.ts";
import { startProcess } from "./support/process.ts";
import { envelope, inTime, subscription, type TestSession } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();

interface Kept {
  readonly session: TestSession;
  readonly store: ScheduleStore;
  fire(
    version: number,
    ...envelopes: readonly Envelope[]
  ): Promise<readonly PublishResult[] | undefined>;
}

/** A store with the schedule "s", which is due, and a subscription that keeps what it emits. */
async function openStore(): Promise<Kept> {
  const session = await open();
  const store = createSchedules(session, session.publisher);
  await session.registry.declare([subscription("kept")]);
  await store.write({ id: "s", record: { n: 1 }, dueAt: 1_000 }, undefined);
  return {
    session,
    store,
    fire: (version, ...envelopes) =>
      store.fire({ id: "s", record: { n: 2 }, dueAt: 2_000 }, version, envelopes, inTime()),
  };
}

async function versionOf(store: ScheduleStore): Promise<number> {
  return (await store.list())[0]?.version as number;
}

describe("the schedules", () => {
  test("are written by whoever has seen the last write, and never twice under one version", async () => {
    const { store, session } = await openStore();
    expect(await store.write({ id: "s", record: {}, dueAt: 1 }, undefined)).toBe(false);
    const [first] = await store.list();
    expect(first).toEqual({ id: "s", record: { n: 1 }, dueAt: 1_000, version: first?.version });
    expect(await store.write({ id: "s", record: { n: 2 } }, first?.version)).toBe(true);
    expect(await store.write({ id: "s", record: { n: 3 } }, first?.version)).toBe(false);
    const [second] = await store.list();
    expect(second).toEqual({ id: "s", record: { n: 2 }, version: second?.version });
    expect(await store.remove("s")).toBe(true);
    expect(await store.remove("s")).toBe(false);
    expect(await store.write({ id: "s", record: { n: 4 } }, undefined)).toBe(true);
    const versions = new Set([first?.version, second?.version, await versionOf(store)]);
    expect(versions.size).toBe(3);
    const { own, schedules } = session.keys;
    await session.redis.del(schedules, `${own}schedules-due`, `${own}schedules-version`);
    expect(await store.write({ id: "s", record: { n: 5 } }, undefined)).toBe(true);
    expect(versions).not.toContain(await versionOf(store));
  });

  test("are written once when the answer to a write is lost", async () => {
    const { session } = await openStore();
    const { keys, scripts } = session;
    const args = [keys.own, "t", "", 1, "token", "1 token {}", ""];
    expect(await scripts.writeSchedule(keys.schedules, args)).toBe(1);
    expect(await scripts.writeSchedule(keys.schedules, args)).toBe(1);
    args[4] = "other";
    expect(await scripts.writeSchedule(keys.schedules, args)).toBe(0);
  });

  test("are due by the clock of Redis, the earliest first", async () => {
    const { store } = await openStore();
    const soon = Date.now() + 3_600_000;
    for (const [id, dueAt] of [
      ["later", soon + 1],
      ["next", soon],
      ["b:\u00e9 \u2713", 500],
      ["never", undefined],
    ] as const) {
      await store.write({ id, record: { id }, dueAt }, undefined);
    }
    const { now, schedules, nextDueAt } = await store.due(10);
    expect(schedules.map(({ id }) => id)).toEqual(["b:\u00e9 \u2713", "s"]);
    expect(nextDueAt).toBe(soon);
    expect(Math.abs(now - Date.now())).toBeLessThan(60_000);
    expect((await store.due(1)).schedules).toHaveLength(1);
  });

  test("fire in one step: events, also with groups of targets, and the write, or none of them", async () => {
    const { store, session, fire } = await openStore();
    const version = await versionOf(store);
    const refused = await fire(version, envelope("1"), envelope("2", { to: ["nobody"] }));
    expect(refused?.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await versionOf(store)).toBe(version);
    expect(await session.eventIds("kept")).toEqual([]);
    const once = { status: "accepted", subscriptions: 1 };
    const batch = [envelope("1"), envelope("2"), envelope("3", { name: "x", to: ["kept"] })];
    expect(await fire(version, ...batch)).toEqual([once, once, once]);
    expect(await fire(version, envelope("4"))).toBeUndefined();
    expect(await store.remove("s")).toBe(true);
    expect(await fire(version, envelope("5"))).toBeUndefined();
    expect((await session.eventIds("kept")).toSorted()).toEqual(["1", "2", "3"]);
  });

  test("fire events that nobody wants, or that were emitted before", async () => {
    const { store, session, fire } = await openStore();
    await session.registry.retire("kept", { backlog: "discard" });
    const unwanted = { status: "accepted", subscriptions: 0 };
    expect(await fire(await versionOf(store), envelope("1"))).toEqual([unwanted]);
    expect((await store.list())[0]).toMatchObject({ record: { n: 2 }, dueAt: 2_000 });
    await session.registry.declare([subscription("kept")]);
    const again = envelope("2", { deduplicationId: "d" });
    await session.publish(again);
    const results = await fire(await versionOf(store), again);
    expect(results?.map(({ status }) => status)).toEqual(["duplicate"]);
  });

  test("of which the text cannot be read are left out, and reported once", async () => {
    const { store, session } = await openStore();
    const { redis, keys, errors } = session;
    await store.write({ id: "t", record: {}, dueAt: 1 }, undefined);
    await redis.hset(keys.schedules, "s", "{?");
    await redis.zadd(`${keys.own}schedules-due`, 1, "gone");
    for (let look = 0; look < 2; look += 1) {
      expect((await store.list()).map(({ id }) => id)).toEqual(["t"]);
      expect((await store.due(10)).schedules.map(({ id }) => id)).toEqual(["t"]);
    }
    expect(errors).toHaveLength(1);
    expect(await redis.zscore(`${keys.own}schedules-due`, "gone")).toBeNull();
  });

  test("of which the text cannot be read are set again, although it begins with a version", async () => {
    const { store, session } = await openStore();
    const { redis, keys } = session;
    const text = (await redis.hget(keys.schedules, "s")) ?? "";
    const again = { id: "s", record: { n: 2 }, dueAt: 1 };
    for (const damaged of [text.slice(0, -1), "1", "1 - t {}x", "1 x t {}", `9${"{".repeat(9)}`]) {
      await redis.hset(keys.schedules, "s", damaged);
      expect(await store.list()).toEqual([]);
      expect(await store.write(again, 5)).toBe(false);
      expect(await store.write(again, undefined)).toBe(true);
      expect(await store.list()).toMatchObject([again]);
      expect(await store.write(again, undefined)).toBe(false);
    }
    await store.remove("s");
    expect(await store.write(again, 5)).toBe(false);
  });

  test("emit for each due time once: of three processes one is killed, and a clock is an hour off", async () => {
    const name = `schedules-${randomUUID()}`;
    const session = await open({ prefix: createKeys(`{busbar:${name}}`).prefix });
    await session.registry.declare([subscription("kept", { events: ["ticked"] })]);
    const redisUrl = session.options.source as string;
    const processes = await Promise.all(
      [0, 3_600_000, 0].map((aheadMs) =>
        startProcess("scheduling-process.ts", { name, redisUrl, aheadMs }),
      ),
    );
    onTestFinished(async () => {
      await Promise.all(processes.map((it) => it.kill()));
    });
    const emitted = async (count: number): Promise<readonly string[]> =>
      eventually(async () => {
        const ids = await session.eventIds("kept");
        if (ids.length < count) throw new Error(`${ids.length} of ${count} were emitted`);
        return ids;
      }, 30_000);
    await emitted(2);
    await processes[0]?.kill();
    const ids = await emitted(4);
    const times = ids.map((id) => Date.parse(id.slice("tick@".length)));
    const first = times[0] as number;
    expect(times).toEqual(ids.map((_, index) => first + 1_000 * index));
    const [seconds] = await session.redis.time();
    expect(Math.abs(Number(seconds) * 1_000 - first)).toBeLessThan(60_000);
  }, 60_000);
});
