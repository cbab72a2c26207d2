import type { Envelope, Settlement } from "@busbar/core/provider";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const consume = useConsumers();
const LANES = { sharedQueues: { small: ["mail", "other"] } };
const OWN = { sharedQueues: {} };

/** An old release with a subscription, and a new one that gives it another queue. */
async function releases(from: object, to: object, changes: object = {}) {
  const old = await open({ options: from });
  const next = await open({ prefix: old.keys.prefix, options: to });
  const mail = subscription("mail", changes);
  await old.registry.declare([mail]);
  return { old, next, mail };
}

async function queuesOf(session: TestSession): Promise<readonly string[] | undefined> {
  await session.registry.snapshot(true);
  return (await session.registry.resolve("mail"))?.queues;
}

function keyed(id: string, key: string): Envelope {
  return envelope(id, { orderingKey: key });
}

describe("a subscription whose queue another release changes", () => {
  test.each([
    ["into a lane", OWN, LANES, ["~lane-small"]],
    ["out of a lane", LANES, OWN, ["mail"]],
  ])("%s gets what its former queue holds, and lets go of it", async (_, from, to, queues) => {
    const { old, next, mail } = await releases(from, to);
    // Others stay in a queue that is shared.
    await old.registry.declare([subscription("other")]);
    await old.publish(envelope("1"), envelope("2"));
    await next.registry.declare([mail]);
    await old.publish(envelope("3"));
    expect(await queuesOf(next)).toHaveLength(2);
    const consumer = await consume(next, {});
    await consumer.has(3);
    expect(consumer.ids.toSorted()).toEqual(["1", "2", "3"]);
    await eventually(async () => {
      await next.registry.declare([mail]);
      expect(await queuesOf(next)).toEqual(queues);
    });
    await next.publish(envelope("4"));
    await consumer.has(4);
    // Only the queues that are there for somebody.
    const names = new Set(["mail", "other", "~lane-small"]);
    const used = [...names].map((name) => next.redis.exists(`${next.keys.queue(name)}events`));
    expect(await Promise.all(used)).toEqual(from === OWN ? [0, 1, 1] : [1, 0, 1]);
  });

  test.each([
    ["into a lane", OWN, LANES],
    ["out of a lane", LANES, OWN],
  ])("%s keeps the order of its keys, with both releases at work", async (_, from, to) => {
    const ordering = { ordering: "key" } as const;
    const { old, next, mail } = await releases(from, to, ordering);
    const handed: string[] = [];
    const running = new Set<string>();
    let overlaps = 0;
    const handle = async ({ envelope: { id, orderingKey = "" } }: { envelope: Envelope }) => {
      if (running.has(orderingKey)) overlaps += 1;
      running.add(orderingKey);
      await sleep(1);
      running.delete(orderingKey);
      handed.push(id);
      return ACK;
    };
    let count = 0;
    const publish = (session: TestSession, events: number) =>
      session.publish(
        ...Array.from({ length: events }, () => keyed(`${count}`, `k${count++ % 4}`)),
      );
    await publish(old, 100);
    await next.registry.declare([mail]);
    await publish(next, 100);
    await consume(old, { ...ordering, concurrency: 3 }, handle);
    await consume(next, { ...ordering, concurrency: 3 }, handle);
    for (let round = 0; round < 10; round += 1) {
      await publish(round % 2 ? old : next, 20);
      // Both declare again and again.
      await old.registry.declare([mail]);
      await next.registry.declare([mail]);
    }
    await eventually(() => expect(handed).toHaveLength(count));
    expect(overlaps).toBe(0);
    for (let key = 0; key < 4; key += 1) {
      const ids = handed.map(Number).filter((id) => id % 4 === key);
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    }
    await eventually(async () => {
      await next.registry.declare([mail]);
      expect(await queuesOf(old)).toHaveLength(1);
    });
  });

  test("puts what is due in a former queue behind the others of its key", async () => {
    const ordering = { ordering: "key" } as const;
    const { old, next, mail } = await releases(OWN, LANES, ordering);
    await old.publish(envelope("later", { orderingKey: "k", delayMs: 200 }));
    await next.registry.declare([mail]);
    await next.publish(keyed("1", "k"), keyed("2", "k"));
    let settle: (settlement: Settlement) => void = () => {};
    const consumer = await consume(next, ordering, ({ envelope: { id } }) =>
      id === "1" ? new Promise<Settlement>((resolve) => (settle = resolve)) : ACK,
    );
    await consumer.has(1);
    const lane = `${next.keys.own}lane:${next.keys.queue("~lane-small")}mail:k`;
    await eventually(async () => expect(await next.redis.llen(lane)).toBe(3));
    settle(ACK);
    await consumer.has(3);
    expect(consumer.ids).toEqual(["1", "2", "later"]);
  });

  test("keeps a key that a dead letter blocks, and replays what died before", async () => {
    const changes = { ordering: "key", onOrderedFailure: "block" } as const;
    const { old, next, mail } = await releases(OWN, LANES, changes);
    await old.publish(keyed("1", "k"), envelope("free"));
    const dies = await consume(old, changes, ({ envelope: { id } }): Settlement =>
      dies.ids.length > 2 ? ACK : { type: "dead", reason: `no ${id}`, state: null },
    );
    await dies.has(2);
    await eventually(async () => {
      expect((await old.admin.listDead("mail", { limit: 9 })).items).toHaveLength(2);
    });
    await dies.close();
    await next.registry.declare([mail]);
    await next.publish(keyed("2", "k"));
    const consumer = await consume(next, changes);
    await next.registry.declare([mail]);
    expect(await queuesOf(next)).toEqual(["~lane-small", "mail"]);
    const { items } = await next.admin.listDead("mail", { limit: 9 });
    const blocking = items.filter((it) => it.envelope.id === "1").map(({ id }) => id);
    await next.admin.replayDead("mail", blocking);
    await consumer.has(2);
    expect(consumer.ids).toEqual(["1", "2"]);
    await eventually(async () => {
      await next.registry.declare([mail]);
      expect(await queuesOf(next)).toEqual(["~lane-small"]);
    });
    // It died in a queue that nobody reads any more.
    await old.admin.replayDead(
      "mail",
      items.map(({ id }) => id),
    );
    await consumer.has(3);
    expect(consumer.ids).toEqual(["1", "2", "free"]);
  });

  test("remembers deduplication ids", async () => {
    const { old, next, mail } = await releases(OWN, LANES);
    await old.publish(envelope("1", { deduplicationId: "d" }));
    await next.registry.declare([mail]);
    const [again] = await next.publish(envelope("2", { deduplicationId: "d" }));
    expect(again).toEqual({ status: "duplicate", subscriptions: 1 });
  });
});
