import { describe, expect, test } from "vitest";
import { idle } from "../support/manual-clock.ts";
import {
  ACK,
  acknowledging,
  consumer,
  DEAD,
  envelope,
  openRuns,
  retry,
  startProvider,
  subscription,
} from "./harness.ts";

const byKey = { ordering: "key" } as const;
const blocking = { ordering: "key", onOrderedFailure: "block" } as const;

/** `a1` is the first event of key `a`. */
function keyed(...ids: string[]) {
  return ids.map((id) => envelope(id, { orderingKey: id.slice(0, 1) }));
}

describe("ordering by key", () => {
  test("one of a key at a time, in order, and keys side by side", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", byKey), runs.deliver);
    await publish(...keyed("a1", "a2", "b1", "a3", "b2"));
    await idle();
    expect(runs.inHand).toEqual(["a1", "b1"]);
    runs.run("a1").settle(ACK);
    await idle();
    expect(runs.inHand).toEqual(["b1", "a2"]);
    runs.run("b1").settle(ACK);
    runs.run("a2").settle(ACK);
    await idle();
    expect(runs.started).toEqual(["a1", "b1", "a2", "a3", "b2"]);
  });

  test("events without a key wait for nobody", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", byKey), runs.deliver);
    await publish(envelope("1"), envelope("2"));
    await idle();
    expect(runs.inHand).toEqual(["1", "2"]);
  });

  test("a key is held through retries, crashes, releases and their delays", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", byKey), runs.deliver);
    await publish(...keyed("a1", "a2", "b1", "b2"));
    await idle();
    runs.run("a1").settle(retry(1_000));
    runs.run("b1").settle(ACK);
    await clock.advance(999);
    expect(runs.inHand).toEqual(["b2"]);
    await clock.advance(1);
    runs.run("a1").crash();
    await idle();
    runs.run("a1").settle({ type: "release", delayMs: 50 });
    await clock.advance(49);
    expect(runs.inHand).toEqual(["b2"]);
    await clock.advance(1);
    runs.run("a1").settle(ACK);
    await idle();
    expect(runs.inHand).toEqual(["b2", "a2"]);
  });

  test("priority changes nothing within a key", async () => {
    const { provider, publish } = await startProvider();
    await provider.subscriptions.declare([subscription("mail", byKey)]);
    await publish(
      envelope("a1", { orderingKey: "a", priority: 1_000 }),
      envelope("a2", { orderingKey: "a", priority: 1 }),
      envelope("b1", { orderingKey: "b" }),
    );
    const mail = acknowledging();
    await provider.consume(consumer("mail", { ...byKey, concurrency: 1 }), mail.deliver);
    await idle();
    expect(mail.seen).toEqual(["b1", "a1", "a2"]);
  });

  test("a delayed event joins its key when it is due", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", byKey), runs.deliver);
    await publish(envelope("a1", { orderingKey: "a", delayMs: 100 }), ...keyed("a2", "a3"));
    await clock.advance(100);
    expect(runs.inHand).toEqual(["a2"]);
    await publish(...keyed("a4"));
    for (const id of ["a2", "a3", "a1", "a4"]) {
      runs.run(id).settle(ACK);
      await idle();
    }
    expect(runs.started).toEqual(["a2", "a3", "a1", "a4"]);
  });

  test("`all` makes the whole subscription one key", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { ordering: "all" }), runs.deliver);
    await publish(...keyed("a1", "b1"), envelope("2", { priority: 1 }));
    await idle();
    expect(runs.inHand).toEqual(["a1"]);
    runs.run("a1").settle(retry(100));
    await clock.advance(99);
    expect(runs.inHand).toEqual([]);
    await clock.advance(1);
    for (const id of ["a1", "b1", "2"]) {
      runs.run(id).settle(ACK);
      await idle();
    }
    expect(runs.started).toEqual(["a1", "a1", "b1", "2"]);
  });

  test("1 000 events of 16 keys, some retried, reach 10 consumers in order", async () => {
    const { provider, clock, publish } = await startProvider();
    const seen = new Map<string, number[]>();
    let runs = 0;
    for (let number = 0; number < 10; number++) {
      await provider.consume(consumer("mail", { ...byKey, concurrency: 4 }), async (delivery) => {
        const [key = "", index] = delivery.envelope.id.split("-");
        if (++runs % 7 === 0) return retry(runs % 3);
        if (runs % 11 === 0) throw new Error("crash");
        seen.set(key, [...(seen.get(key) ?? []), Number(index)]);
        return ACK;
      });
    }
    for (let index = 0; index < 1_000; index++) {
      const orderingKey = String(index % 16);
      await publish(envelope(`${orderingKey}-${index}`, { orderingKey }));
    }
    await clock.advance(10_000);
    expect([...seen.values()].flat().length).toBe(1_000);
    for (const indexes of seen.values()) {
      expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
    }
  });
});

describe("a dead delivery of a key", () => {
  test("is passed over when parked", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", byKey), runs.deliver);
    await publish(...keyed("a1", "a2"));
    await idle();
    runs.run("a1").settle(DEAD);
    await idle();
    expect(runs.inHand).toEqual(["a2"]);
  });

  test("keeps its key waiting when it blocks, and goes first when replayed", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", blocking), runs.deliver);
    await publish(...keyed("a1", "a2", "b1"));
    await idle();
    runs.run("a1").settle(DEAD);
    await publish(...keyed("a3"));
    await idle();
    expect(runs.inHand).toEqual(["b1"]);

    const { items } = await provider.admin.listDead("mail", { limit: 10 });
    await provider.admin.replayDead("mail", [items[0]?.id ?? ""]);
    await idle();
    expect(runs.inHand).toEqual(["b1", "a1"]);
    runs.run("a1").settle(ACK);
    await idle();
    runs.run("a2").settle(ACK);
    await idle();
    expect(runs.inHand).toEqual(["b1", "a3"]);
  });

  test("frees its key when it is discarded", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", blocking), runs.deliver);
    await publish(...keyed("a1", "a2"));
    await idle();
    runs.run("a1").settle(DEAD);
    await idle();
    const { items } = await provider.admin.listDead("mail", { limit: 10 });
    expect(await provider.admin.discardDead("mail", [items[0]?.id ?? ""])).toBe(1);
    await idle();
    expect(runs.inHand).toEqual(["a2"]);
  });

  test("frees its key when it is dropped at the bound", async () => {
    const { provider, publish } = await startProvider({
      deadLetters: { maxPerSubscription: 1, maxAgeMs: 1_000 },
    });
    const runs = openRuns();
    await provider.consume(consumer("mail", blocking), runs.deliver);
    await publish(...keyed("a1", "a2", "b1", "b2"));
    await idle();
    runs.run("a1").settle(DEAD);
    await idle();
    expect(runs.inHand).toEqual(["b1"]);
    runs.run("b1").settle(DEAD);
    await idle();
    expect(runs.inHand).toEqual(["a2"]);
  });

  test("frees its key when it is too old", async () => {
    const { provider, clock, publish } = await startProvider({
      deadLetters: { maxPerSubscription: 10, maxAgeMs: 1_000 },
    });
    const runs = openRuns();
    await provider.consume(consumer("mail", blocking), runs.deliver);
    await publish(...keyed("a1", "a2"));
    await idle();
    runs.run("a1").settle(DEAD);
    await clock.advance(999);
    expect(runs.inHand).toEqual([]);
    await clock.advance(1);
    expect(runs.inHand).toEqual(["a2"]);
  });
});
