import { describe, expect, test } from "vitest";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();
/** Renewed after a third of it. */
const SOON = { lockDurationMs: 300, stalledCheckMs: 10_000 };

const DONE = { ready: 0, delayed: 0, inFlight: 0 };

async function lockOf({ redis, keys }: TestSession): Promise<string> {
  const [id = ""] = await redis.lrange(`${keys.queue("mail")}active`, 0, -1);
  return `${keys.queue("mail")}${id}:lock`;
}

describe("locks in hand", () => {
  test("that have ended with their jobs, while they were being renewed, are nobody's concern", async () => {
    let finish: (() => Promise<void>) | undefined;
    let renewals = 0;
    const session = await open({
      options: SOON,
      wrapScripts: (scripts) => ({
        ...scripts,
        async renew(key, args) {
          // What was in hand when the request was made ends before Redis reads it.
          await finish?.();
          const ended = await scripts.renew(key, args);
          if (ended.length > 0) renewals += 1;
          return ended;
        },
      }),
    });
    await session.registry.declare([subscription("mail")]);
    let acknowledge: (() => void) | undefined;
    const consumer = await consume(
      session,
      {},
      () => new Promise((resolve) => (acknowledge = () => resolve(ACK))),
    );
    await session.publish(envelope("1"));
    await consumer.has(1);
    const lock = await lockOf(session);
    finish = async () => {
      acknowledge?.();
      await eventually(async () => expect(await session.redis.exists(lock)).toBe(0));
    };
    await eventually(() => expect(renewals).toBe(1));
    // The job that comes next is in hand, and keeps its lock.
    finish = undefined;
    await session.publish(envelope("2"));
    await consumer.has(2);
    expect(session.warnings).toEqual([]);
    acknowledge?.();
  });

  test("that have ended are taken again as long as nobody else has found the job", async () => {
    const session = await open({ options: SOON });
    await session.registry.declare([subscription("mail")]);
    let acknowledge: (() => void) | undefined;
    const consumer = await consume(
      session,
      {},
      () => new Promise((resolve) => (acknowledge = () => resolve(ACK))),
    );
    await session.publish(envelope("1"));
    await consumer.has(1);
    const lock = await lockOf(session);
    await session.redis.del(lock);
    await eventually(async () => expect(await session.redis.exists(lock)).toBe(1));
    await session.redis.del(lock);
    // As is a job that ends before its lock is renewed.
    acknowledge?.();
    await eventually(async () => expect(await session.admin.stats()).toMatchObject([DONE]));
    expect(session.warnings).toEqual([]);
    expect(consumer.ids).toEqual(["1"]);
  });

  test("that others have by now are warned of", async () => {
    const session = await open({ options: SOON });
    await session.registry.declare([subscription("mail")]);
    let acknowledge: (() => void) | undefined;
    const consumer = await consume(
      session,
      {},
      () => new Promise((resolve) => (acknowledge = () => resolve(ACK))),
    );
    await session.publish(envelope("1"));
    await consumer.has(1);
    await session.redis.set(await lockOf(session), "another");
    await eventually(() =>
      expect(session.warnings).toEqual(["Locks ended; others repeat the work"]),
    );
    acknowledge?.();
  });
});
