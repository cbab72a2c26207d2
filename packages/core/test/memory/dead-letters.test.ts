import { describe, expect, test } from "vitest";
import type { Settlement } from "../../src/contract/provider.ts";
import { idle } from "../support/manual-clock.ts";
import {
  acknowledging,
  ACK,
  consumer,
  DEAD,
  envelope,
  envelopes,
  openRuns,
  startProvider,
} from "./harness.ts";

const die = async (): Promise<Settlement> => DEAD;

/** A provider with dead letters of subscription `mail`, whose ids are those of its events. */
async function withDead(count: number, options: Parameters<typeof startProvider>[0] = {}) {
  const harness = await startProvider(options);
  const handle = await harness.provider.consume(consumer("mail", { concurrency: 1 }), die);
  await harness.publish(...envelopes(count));
  await idle();
  const { admin } = harness.provider;
  const list = async () => (await admin.listDead("mail", { limit: 1_000 })).items;
  const events = async () => (await list()).map((it) => it.envelope.id);
  return { ...harness, admin, handle, list, events };
}

describe("dead letters", () => {
  test("keep envelope, reason, state and time", async () => {
    const { list, clock } = await withDead(1);
    expect(await list()).toEqual([
      {
        id: expect.any(String),
        envelope: envelope("1"),
        reason: "failed",
        state: { attempts: 1 },
        diedAt: clock.now(),
      },
    ]);
  });

  test("are listed page by page, the oldest first, while others are removed", async () => {
    const { admin } = await withDead(5);
    const first = await admin.listDead("mail", { limit: 2 });
    expect(first.items.map((it) => it.envelope.id)).toEqual(["1", "2"]);
    const ids = first.items.map((it) => it.id);
    await admin.discardDead("mail", ids);
    const second = await admin.listDead("mail", { limit: 2, cursor: first.cursor });
    expect(second.items.map((it) => it.envelope.id)).toEqual(["3", "4"]);
    const last = await admin.listDead("mail", { limit: 2, cursor: second.cursor });
    expect(last.items.map((it) => it.envelope.id)).toEqual(["5"]);
    expect(last.cursor).toBeUndefined();
  });

  test("are found by their ids, and in their order also after many have gone", async () => {
    const { admin, list, publish } = await withDead(300);
    const ids = (await list()).map(({ id }) => id);
    const { cursor } = await admin.listDead("mail", { limit: 250 });
    await admin.discardDead("mail", [...ids.slice(10, 245), ...ids.slice(260)]);
    await publish(envelope("late"));
    await idle();
    const { items } = await admin.listDead("mail", { limit: 1_000, cursor });
    const left = items.map(({ envelope: { id } }) => id);
    expect(left).toEqual([...ids.slice(250, 260), "late"]);
    const found = await admin.getDead?.("mail", [
      ids[259] ?? "",
      ids[300] ?? "none",
      ids[20] ?? "",
    ]);
    expect(found?.map((letter) => letter.envelope.id)).toEqual(["260"]);
    expect(await admin.getDead?.("nobody", ids)).toEqual([]);
  });

  test("of an unknown subscription are none", async () => {
    const { admin } = await withDead(1);
    expect(await admin.listDead("nobody", { limit: 10 })).toEqual({ items: [] });
    expect(await admin.replayDead("nobody", ["1"])).toBe(0);
    expect(await admin.discardDead("nobody", ["1"])).toBe(0);
  });

  test("come back by replay as they were at first, unknown and repeated ids passed over", async () => {
    const { provider, admin, handle, list, events } = await withDead(3);
    await handle.close({ graceMs: 0 });
    const runs = openRuns();
    await provider.consume(consumer("mail"), runs.deliver);
    const [first, second] = await list();
    const ids = [second?.id ?? "", "999", first?.id ?? "", first?.id ?? ""];
    expect(await admin.replayDead("mail", ids)).toBe(2);
    await idle();
    expect(runs.inHand).toEqual(["1", "2"]);
    expect(runs.run("1")).toMatchObject({ crashes: 0, state: undefined, envelope: envelope("1") });
    expect(await events()).toEqual(["3"]);
  });

  test("are replayed whatever their deduplicationId says", async () => {
    const { provider, publish } = await startProvider();
    let dead = true;
    const seen: string[] = [];
    await provider.consume(consumer("mail"), async ({ envelope: { id } }) => {
      seen.push(id);
      return dead ? DEAD : ACK;
    });
    await publish(envelope("1", { deduplicationId: "once" }));
    await idle();
    dead = false;
    const [letter] = (await provider.admin.listDead("mail", { limit: 1 })).items;
    await provider.admin.replayDead("mail", [letter?.id ?? ""]);
    await idle();
    expect(seen).toEqual(["1", "1"]);
  });

  test("are deleted by discard", async () => {
    const { admin, list, events } = await withDead(3);
    const [, second] = await list();
    expect(await admin.discardDead("mail", [second?.id ?? "", "999"])).toBe(1);
    expect(await events()).toEqual(["1", "3"]);
  });

  test("beyond the bound leave, the oldest first, and are reported", async () => {
    const { events, reports } = await withDead(5, {
      deadLetters: { maxPerSubscription: 2, maxAgeMs: 1_000 },
    });
    expect(await events()).toEqual(["4", "5"]);
    expect(reports).toEqual(
      Array(3).fill({ type: "dead-letters-dropped", subscriptionId: "mail", count: 1 }),
    );
  });

  test("that are too old leave, and are reported, without keeping the process alive", async () => {
    const { provider, clock, publish, events, reports } = await withDead(2, {
      deadLetters: { maxPerSubscription: 10, maxAgeMs: 1_000 },
    });
    expect(clock.pendingTimers()).toBe(1);
    expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
    await clock.advance(400);
    await publish(envelope("late"));
    await clock.advance(600);
    expect(reports).toEqual([{ type: "dead-letters-dropped", subscriptionId: "mail", count: 2 }]);
    expect((await provider.admin.stats())[0]?.dead).toBe(1);
    expect(await events()).toEqual(["late"]);
    await clock.advance(400);
    expect(reports.length).toBe(2);
    expect(clock.pendingTimers()).toBe(0);
  });
});

describe("stats", () => {
  test("count a subscription's deliveries by where they are", async () => {
    const { provider, clock, publish } = await startProvider();
    const published_at = clock.now();
    const at = (ms: number) => ({
      metadata: { created_at: 0, published_at: published_at + ms, correlationId: "c" },
    });
    const runs = openRuns();
    await provider.consume(consumer("mail", { ordering: "key", concurrency: 2 }), runs.deliver);
    await publish(
      envelope("dead", at(1)),
      envelope("in flight", { ...at(2), orderingKey: "a" }),
      envelope("held", { ...at(3), orderingKey: "a" }),
      envelope("in flight too", at(4)),
      envelope("ready", at(5)),
      envelope("delayed", { ...at(6), delayMs: 1_000 }),
    );
    await idle();
    runs.run("dead").settle(DEAD);
    await idle();
    expect(await provider.admin.stats()).toEqual([
      {
        subscriptionId: "mail",
        ready: 1,
        delayed: 2,
        inFlight: 2,
        dead: 1,
        oldestAt: published_at + 3,
      },
    ]);
  });

  test("know no oldest where nothing waits", async () => {
    const { provider, publish } = await startProvider();
    await provider.consume(consumer("mail"), acknowledging().deliver);
    await publish(envelope("1"));
    await idle();
    expect(await provider.admin.stats()).toEqual([
      { subscriptionId: "mail", ready: 0, delayed: 0, inFlight: 0, dead: 0 },
    ]);
  });
});
