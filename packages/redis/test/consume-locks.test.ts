import { createEventBus, type Event } from "@busbar/core";
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { redisProvider } from "../src/index.ts";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();
/** As many queues, each with locks of its own. */
const SUBSCRIPTIONS = 100;
/** Renewed after a third of it. */
const SOON = { lockDurationMs: 300, stalledCheckMs: 10_000 };

const DONE = { ready: 0, delayed: 0, inFlight: 0 };

async function lockOf({ redis, keys }: TestSession): Promise<string> {
  const [id = ""] = await redis.lrange(`${keys.queue("mail")}active`, 0, -1);
  return `${keys.queue("mail")}${id}:lock`;
}

/** Publishes an event, and has it in hand. Its handler, and that of the next, waits for `acknowledge`. */
async function holdOne(session: TestSession) {
  let acknowledge = (): void => {};
  const consumer = await consume(
    session,
    {},
    () => new Promise((resolve) => (acknowledge = () => resolve(ACK))),
  );
  await session.publish(envelope("1"));
  await consumer.has(1);
  return { consumer, acknowledge: () => acknowledge() };
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
    const { consumer, acknowledge } = await holdOne(session);
    const lock = await lockOf(session);
    finish = async () => {
      acknowledge();
      await eventually(async () => expect(await session.redis.exists(lock)).toBe(0));
    };
    await eventually(() => expect(renewals).toBe(1));
    // The job that comes next is in hand, and keeps its lock.
    finish = undefined;
    await session.publish(envelope("2"));
    await consumer.has(2);
    expect(session.warnings).toEqual([]);
    acknowledge();
  });

  test("that have ended are taken again as long as nobody else has found the job", async () => {
    const session = await open({ options: SOON });
    const { consumer, acknowledge } = await holdOne(session);
    const lock = await lockOf(session);
    await session.redis.del(lock);
    await eventually(async () => expect(await session.redis.exists(lock)).toBe(1));
    await session.redis.del(lock);
    // As is a job that ends before its lock is renewed.
    acknowledge();
    await eventually(async () => expect(await session.admin.stats()).toMatchObject([DONE]));
    expect(session.warnings).toEqual([]);
    expect(consumer.ids).toEqual(["1"]);
  });

  test("that others have by now are warned of", async () => {
    const session = await open({ options: SOON });
    const { acknowledge } = await holdOne(session);
    await session.redis.set(await lockOf(session), "another");
    await eventually(() =>
      expect(session.warnings).toEqual(["Locks ended; others repeat the work"]),
    );
    acknowledge();
  });
});

test("many subscriptions that keep the event loop busy for longer than locks last repeat nothing", async () => {
  const session = await open();
  const warnings: string[] = [];
  const ignore = (): void => {};
  const warn = (_: object, message: string): void => void warnings.push(message);
  const bus = createEventBus({
    name: randomUUID(),
    provider: redisProvider({
      redisUrl: `redis://127.0.0.1:${session.redis.options.port}`,
      lockDurationMs: 500,
      stalledCheckMs: 100,
    }),
    logger: { debug: ignore, info: ignore, warn, error: warn },
  });
  const runs = new Map<string, number>();
  for (let index = 0; index < SUBSCRIPTIONS; index += 1) {
    const subscriberId = `s-${index}`;
    const work = ({ id }: Event): void => {
      const until = performance.now() + 0.5;
      while (performance.now() < until);
      runs.set(`${subscriberId} ${id}`, (runs.get(`${subscriberId} ${id}`) ?? 0) + 1);
    };
    bus.subscribe("order.placed", work, { subscriberId });
  }
  await bus.start();
  try {
    const all = Array.from({ length: 20 }, (_, data) => ({ name: "order.placed", data }));
    await bus.emit(all);
    await eventually(() => expect(runs.size).toBe(20 * SUBSCRIPTIONS), 40_000);
    await bus.settled({ timeoutMs: 20_000 });
    expect([...runs.values()].filter((count) => count > 1)).toEqual([]);
    expect(warnings).toEqual([]);
  } finally {
    await bus.stop({ graceMs: 5_000 });
  }
}, 60_000);
