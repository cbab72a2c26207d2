import type { Envelope, Settlement } from "@busbar/core/provider";
import { afterEach, describe, expect, test } from "vitest";
import { ACK, type TestConsumer } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { startProcess, type TestProcess } from "./support/process.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();
const workers: TestProcess[] = [];
const SOON = { lockDurationMs: 1_000, stalledCheckMs: 300 };
const LIMIT = { timeout: 90_000 };
const NOTHING = { ready: 0, delayed: 0, inFlight: 0, dead: 0 };

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
});

async function start(session: TestSession, input: object): Promise<TestProcess> {
  const { prefix } = session.keys;
  const url = `redis://127.0.0.1:${session.redis.options.port}`;
  const worker = await startProcess("consuming-worker.ts", { url, prefix, ...input });
  workers.push(worker);
  return worker;
}

function envelopes(count: number): readonly Envelope[] {
  return Array.from({ length: count }, (_, index) => envelope(`e${index}`));
}

async function declared(changes = {}): Promise<TestSession> {
  const session = await open({ options: SOON });
  await session.registry.declare([subscription("mail", changes)]);
  return session;
}

/** As {@link declared}, of a process that cannot keep its locks, as if its way to Redis was cut. */
async function declaredByOneCutOff(changes = {}): Promise<TestSession> {
  const session = await open({
    options: SOON,
    wrapScripts: (scripts) => ({
      ...scripts,
      renew: () => Promise.reject(new Error("Connection is closed.")),
    }),
  });
  await session.registry.declare([subscription("mail", changes)]);
  return session;
}

async function stats(session: TestSession): Promise<object> {
  const [mail] = await session.admin.stats();
  const { ready, delayed, inFlight, dead } = mail!;
  return { ready, delayed, inFlight, dead };
}

/** Crashes of each hand-over of an event. */
function crashes({ deliveries }: TestConsumer, id: string): readonly number[] {
  return deliveries.filter((it) => it.envelope.id === id).map((it) => it.crashes);
}

describe("a process that is killed", () => {
  test(
    "loses nothing of what it had in hand, and repeats nothing that was written down",
    LIMIT,
    async () => {
      const session = await declared();
      const worker = await start(session, { hold: "held" });
      const ids = Array.from(
        { length: 40 },
        (_, index) => `${index % 2 ? "held" : "done"}-${index}`,
      );
      await session.publish(...ids.map((id) => envelope(id)));
      await worker.saw("handed", 40);
      await eventually(async () =>
        expect(await stats(session)).toEqual({ ...NOTHING, inFlight: 20 }),
      );
      const killedAt = Date.now();
      await worker.kill();
      const mail = await consume(session, {});
      await mail.has(20, 20_000);
      const { lockDurationMs, stalledCheckMs } = SOON;
      expect(Date.now() - killedAt).toBeLessThan(lockDurationMs + 2 * stalledCheckMs + 2_000);
      await eventually(async () => expect(await stats(session)).toEqual(NOTHING));
      expect(mail.ids.toSorted()).toEqual(ids.filter((id) => id.startsWith("held")).toSorted());
      // It may have been any of them, and so it counts for none.
      for (const { crashes: count } of mail.deliveries) expect(count).toBe(0);
      // They came one at a time.
      expect(mail.mostInHand).toBe(1);
    },
  );

  test("in the middle of 5 000 events loses none", LIMIT, async () => {
    const session = await declared();
    await session.publish(...envelopes(5_000));
    const first = await start(session, { waitMs: 1 });
    await first.saw("handed", 1_000);
    await first.kill();
    const second = await start(session, { waitMs: 1 });
    await second.saw("handed", 1_000);
    await second.kill();
    const mail = await consume(session, { concurrency: 50 });
    await eventually(async () => expect(await stats(session)).toEqual(NOTHING), 30_000);
    const handed = [first, second].flatMap(({ lines }) => lines.map(([, id]) => id));
    const all = new Set([...handed, ...mail.ids]);
    all.delete(undefined);
    expect(all.size).toBe(5_000);
    // At most what was acknowledged within a checkpoint, and what was in hand.
    expect(handed.length - 2 + mail.ids.length - 5_000).toBeLessThan(1_000);
  });

  test(
    "by one event of a pack: only that one's crashes grow, and all others are handled",
    LIMIT,
    async () => {
      const session = await declared();
      await session.publish(...envelopes(50));
      const poison = "e25";
      const seen: unknown[] = [];
      const before: unknown[][] = [];
      for (let death = 0; death < 4; death += 1) {
        const worker = await start(session, { poison });
        await worker.ended;
        const handed = worker.lines.filter(([word]) => word === "handed");
        before.push(...handed.map(([, id, count]) => [id, count]));
        seen.push(...handed.filter(([, id]) => id === poison).map(([, , count]) => count));
      }
      // In the pack nobody knows who did it; from then on each hand-over is written down before it is.
      expect(seen).toEqual([0, 0, 1, 2]);
      const mail = await consume(session, {}, ({ envelope: { id }, crashes: count }): Settlement =>
        count > 2 ? { type: "dead", reason: `crashed ${id}`, state: null } : ACK,
      );
      await eventually(
        async () => expect(await stats(session)).toEqual({ ...NOTHING, dead: 1 }),
        20_000,
      );
      const { items } = await session.admin.listDead("mail", { limit: 10 });
      expect(items.map(({ reason }) => reason)).toEqual([`crashed ${poison}`]);
      const others = [...before, ...mail.deliveries.map((it) => [it.envelope.id, it.crashes])];
      expect(new Set(others.map(([id]) => id)).size).toBe(50);
      expect(others.filter(([id, count]) => id !== poison && count !== 0)).toEqual([]);
    },
  );

  test("by an event alone: each death counts", LIMIT, async () => {
    const session = await declared();
    await session.publish(envelope("1"));
    for (let death = 0; death < 3; death += 1) {
      const worker = await start(session, { poison: "1" });
      await worker.ended;
      expect(worker.lines.filter(([word]) => word === "handed")).toEqual([["handed", "1", death]]);
    }
    const mail = await consume(session, {}, (_, nth): Settlement =>
      nth === 1 ? { type: "release" } : nth === 2 ? { type: "retry", delayMs: 0, state: 1 } : ACK,
    );
    await mail.has(3, 20_000);
    expect(crashes(mail, "1")).toEqual([3, 3, 0]);
  });

  test("leaves a key in its order, and repeats nothing that was written down", LIMIT, async () => {
    const session = await declared({ ordering: "key" });
    const ids = ["1", "2", "3", "4"];
    await session.publish(...ids.map((id) => envelope(id, { orderingKey: "k" })));
    const worker = await start(session, { hold: "2", spec: { ordering: "key" } });
    await worker.saw("handed", 2);
    await eventually(async () => expect(await session.redis.llen(laneKey(session, "k"))).toBe(3));
    await worker.kill();
    const mail = await consume(session, { ordering: "key" });
    await mail.has(3, 20_000);
    expect(mail.ids).toEqual(["2", "3", "4"]);
    expect(mail.deliveries.map(({ crashes: count }) => count)).toEqual([0, 0, 0]);
  });

  test(
    "by an event of a lane: its crashes grow, and the lane goes on behind it",
    LIMIT,
    async () => {
      const session = await declared({ ordering: "key" });
      const ids = ["1", "2", "3"];
      await session.publish(...ids.map((id) => envelope(id, { orderingKey: "k" })));
      const seen: unknown[] = [];
      for (let death = 0; death < 3; death += 1) {
        const worker = await start(session, { poison: "2", spec: { ordering: "key" } });
        await worker.ended;
        const handed = worker.lines.filter(([word, id]) => word === "handed" && id === "2");
        seen.push(...handed.map(([, , count]) => count));
      }
      expect(seen).toEqual([0, 0, 1]);
      const mail = await consume(session, { ordering: "key" }, ({ crashes: count }): Settlement =>
        count > 1 ? { type: "dead", reason: "crashed", state: null } : ACK,
      );
      await mail.has(2, 20_000);
      await eventually(async () => expect(await stats(session)).toEqual({ ...NOTHING, dead: 1 }));
      expect(mail.deliveries.map((it) => [it.envelope.id, it.crashes])).toEqual([
        ["2", 2],
        ["3", 0],
      ]);
    },
  );
});

function laneKey({ keys }: TestSession, key: string): string {
  return `${keys.own}lane:${keys.queue("mail")}mail:${key}`;
}

describe("a lock that ends while its job is in hand", () => {
  async function unlock(session: TestSession): Promise<void> {
    const locks = await session.redis.keys(`${session.keys.queue("mail")}*:lock`);
    expect(locks).toHaveLength(1);
    await session.redis.del(...locks);
  }

  test(
    "gives the job to another process, and the late settlement is passed over",
    LIMIT,
    async () => {
      const session = await declaredByOneCutOff();
      let settle: (settlement: Settlement) => void = () => {};
      const held = await consume(session, {}, () => new Promise((resolve) => (settle = resolve)));
      await session.publish(envelope("1"));
      await held.has(1);
      const other = await open({ prefix: session.keys.prefix, options: SOON });
      // The first one must not take it again.
      void held.close(60_000);
      await unlock(session);
      let settleOther: (settlement: Settlement) => void = () => {};
      const next = await consume(
        other,
        {},
        () => new Promise((resolve) => (settleOther = resolve)),
      );
      await next.has(1, 20_000);
      settle({ type: "dead", reason: "late", state: null });
      await held.close(1_000);
      expect(await stats(session)).toEqual({ ...NOTHING, inFlight: 1 });
      settleOther(ACK);
      await eventually(async () => expect(await stats(session)).toEqual(NOTHING));
    },
  );

  test(
    "is taken again by the process that still runs it, which does not run it twice",
    LIMIT,
    async () => {
      const session = await declaredByOneCutOff();
      let settle: (settlement: Settlement) => void = () => {};
      const mail = await consume(session, {}, ({ envelope: { id } }) =>
        id === "e3" ? new Promise<Settlement>((resolve) => (settle = resolve)) : ACK,
      );
      await session.publish(...envelopes(10));
      await mail.has(10);
      await eventually(async () =>
        expect(await stats(session)).toEqual({ ...NOTHING, inFlight: 1 }),
      );
      await unlock(session);
      await eventually(async () => {
        const [id] = await session.redis.lrange(`${session.keys.queue("mail")}active`, 0, -1);
        const stalled = await session.redis.hget(session.keys.queue("mail") + id, "stc");
        expect(Number(stalled)).toBeGreaterThan(0);
        expect(await session.redis.exists(`${session.keys.queue("mail")}${id}:lock`)).toBe(1);
      });
      settle(ACK);
      await eventually(async () => expect(await stats(session)).toEqual(NOTHING));
      expect(mail.ids).toHaveLength(10);
    },
  );

  test("of a lane's turn: the key keeps its order, and one at a time", LIMIT, async () => {
    const session = await declaredByOneCutOff({ ordering: "key" });
    let settle: (settlement: Settlement) => void = () => {};
    const mail = await consume(session, { ordering: "key" }, (_, nth) =>
      mail.ids.length === 1 && nth === 1
        ? new Promise<Settlement>((resolve) => (settle = resolve))
        : ACK,
    );
    await session.publish(...["1", "2"].map((id) => envelope(id, { orderingKey: "k" })));
    await mail.has(1);
    await unlock(session);
    await eventually(async () => {
      const active = await session.redis.lrange(`${session.keys.queue("mail")}active`, 0, -1);
      const stalled = await session.redis.hget(session.keys.queue("mail") + active[0], "stc");
      expect(Number(stalled)).toBeGreaterThan(0);
    });
    settle(ACK);
    await mail.has(3, 20_000);
    expect(mail.ids).toEqual(["1", "1", "2"]);
    expect(mail.mostInHand).toBe(1);
  });
});
