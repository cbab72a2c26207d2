import type { Settlement } from "@busbar/core/provider";
import { setImmediate as turnOver } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Scripts } from "../src/store/scripts.ts";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();

/** Publishes each event by itself, so that each is a job. */
async function withJobs(count: number): Promise<TestSession> {
  const session = await open();
  await session.registry.declare([subscription("mail")]);
  for (let index = 0; index < count; index += 1) await session.publish(envelope(`e${index}`));
  return session;
}

/** The session, and how often it has asked Redis for jobs and nothing else. */
function countingTakes(session: TestSession): { session: TestSession; takes: () => number } {
  let takes = 0;
  const take: Scripts["take"] = (...args) => {
    takes += 1;
    return session.scripts.take(...args);
  };
  return { session: { ...session, scripts: { ...session.scripts, take } }, takes: () => takes };
}

const hang = (): Promise<Settlement> => new Promise(() => {});

/** Keeps the event loop busy, and counts its turns, until that is ended. */
function busyLoop(ms: number): { turns(): number; end(): void } {
  let [turns, isOn] = [0, true];
  const burn = (): void => {
    turns += 1;
    for (const until = performance.now() + ms; performance.now() < until;);
    if (isOn) setImmediate(burn);
  };
  setImmediate(burn);
  return {
    turns: () => turns,
    end: () => {
      isOn = false;
    },
  };
}

describe("jobs of one event", () => {
  test("fill all free slots with one answer", async () => {
    const { session, takes } = countingTakes(await withJobs(30));
    const mail = await consume(session, { concurrency: 10 }, hang);
    await mail.has(10);
    expect(takes()).toBe(1);
    expect(mail.inHand).toBe(10);
  });

  test("are left to others where there are no slots for them", async () => {
    const session = await withJobs(30);
    const peer = await open({ prefix: session.keys.prefix });
    const mail = await consume(session, { concurrency: 10 }, hang);
    await mail.has(10);
    const others = await consume(peer, { concurrency: 20 }, hang);
    await others.has(20);
    expect(mail.ids).toHaveLength(10);
    const [stats] = await session.admin.stats();
    expect(stats).toMatchObject({ ready: 0, inFlight: 30 });
  });

  test("start in their order, one at a time", async () => {
    const session = await withJobs(120);
    const mail = await consume(session, { concurrency: 1 });
    await mail.has(120);
    expect(mail.ids).toEqual(Array.from({ length: 120 }, (_, index) => `e${index}`));
    expect(mail.mostInHand).toBe(1);
  });

  test("run as many at a time as there are slots, in a process whose event loop is busy", async () => {
    const session = await withJobs(200);
    const loop = busyLoop(10);
    try {
      const mail = await consume(session, { concurrency: 10 }, async () => {
        await turnOver();
        return ACK;
      });
      await mail.has(200, 20_000);
      expect(mail.mostInHand).toBe(10);
      // One a turn would take 200 turns.
      expect(loop.turns()).toBeLessThan(80);
    } finally {
      loop.end();
    }
    await eventually(async () => {
      const [stats] = await session.admin.stats();
      expect(stats).toMatchObject({ ready: 0, inFlight: 0, dead: 0 });
    });
  });

  test("are fetched ahead while their handlers are quick, and many come with one answer", async () => {
    const session = await withJobs(400);
    const loop = busyLoop(10);
    try {
      const mail = await consume(session, { concurrency: 1 });
      await mail.has(400, 20_000);
      expect(loop.turns()).toBeLessThan(100);
    } finally {
      loop.end();
    }
  });

  test("that wait behind one that hangs are given back", async () => {
    const session = await withJobs(100);
    const mail = await consume(session, { concurrency: 1 }, ({ envelope: { id } }) =>
      id === "e60" ? hang() : ACK,
    );
    await mail.has(61);
    await eventually(async () => {
      const [stats] = await session.admin.stats();
      expect(stats).toMatchObject({ ready: 39, inFlight: 1 });
    });
    const peer = await open({ prefix: session.keys.prefix });
    const others = await consume(peer, { concurrency: 1 });
    await others.has(39);
    // Each is given back when its time is over: in which order they come again, nobody promises.
    expect(others.ids.toSorted()).toEqual(
      Array.from({ length: 39 }, (_, index) => `e${61 + index}`),
    );
    expect(others.deliveries.every(({ crashes }) => crashes === 0)).toBe(true);
  });
});
