import { describe, expect, test } from "vitest";
import type { PublishResult } from "../../src/contract/provider.ts";
import { idle } from "../support/manual-clock.ts";
import {
  ACK,
  acknowledging,
  consumer,
  envelope,
  envelopes,
  openRuns,
  startProvider,
  subscription,
} from "./harness.ts";

/** What a promise is fulfilled with, as soon as it is. */
function watch(promise: Promise<readonly PublishResult[]>) {
  const watched: { results?: readonly PublishResult[] } = {};
  void promise.then((results) => (watched.results = results));
  return watched;
}

const ids = async (deliveries: { readonly started: string[] }) => (
  await idle(),
  deliveries.started
);

describe("back-pressure", () => {
  test("a publish waits while a subscription is full, and goes on when there is room", async () => {
    const { provider, clock, publish } = await startProvider({ maxPending: 2 });
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(envelope("1"));
    await idle();
    await publish(...envelopes(2, "waiting "));
    const late = watch(publish(envelope("late")));
    await idle();
    expect(late.results).toBeUndefined();
    runs.run("1").settle(ACK);
    await idle();
    expect(late.results).toEqual([{ status: "accepted", subscriptions: 1 }]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("an event without room until the deadline is rejected as overloaded", async () => {
    const { provider, clock, publish, publishWithin } = await startProvider({ maxPending: 2 });
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(...envelopes(2));
    const late = watch(publishWithin(500, envelope("3"), envelope("other", { name: "x" })));
    await clock.advance(499);
    expect(late.results).toBeUndefined();
    await clock.advance(1);
    expect(late.results).toMatchObject([
      { status: "rejected", code: "overloaded", reason: expect.stringMatching(/"mail".*2/) },
      { status: "accepted", subscriptions: 0 },
    ]);
    expect(clock.pendingTimers()).toBe(0);
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    await idle();
    expect(mail.seen).toEqual(["1", "2"]);
  });

  test("a deadline that has passed does not wait at all", async () => {
    const { provider, publish, publishWithin } = await startProvider({ maxPending: 1 });
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(envelope("1"));
    expect(await publishWithin(0, envelope("2"))).toMatchObject([{ code: "overloaded" }]);
  });

  test("an emit inside a handler never waits", async () => {
    const { provider, clock, publish } = await startProvider({ maxPending: 1 });
    const seen: string[] = [];
    await provider.consume(consumer("mail", { concurrency: 1 }), async (delivery) => {
      seen.push(delivery.envelope.id);
      if (delivery.envelope.id === "1") {
        const inHandler = { deadline: clock.monotonic() + 1, inHandler: true };
        await provider.publish(envelopes(3, "child "), inHandler);
      }
      return ACK;
    });
    await publish(envelope("1"));
    await idle();
    expect(seen).toEqual(["1", "child 1", "child 2", "child 3"]);
  });

  test("an array larger than the bound is accepted as room comes", async () => {
    const { provider, publish } = await startProvider({ maxPending: 10 });
    const mail = acknowledging();
    await provider.consume(consumer("mail", { concurrency: 1 }), mail.deliver);
    const results = await publish(...envelopes(1_000));
    await idle();
    expect(results.every((it) => it.status === "accepted")).toBe(true);
    expect(mail.seen).toEqual(envelopes(1_000).map((it) => it.id));
  });

  test("those that wait are let in in the order in which they came", async () => {
    const { provider, publish } = await startProvider({ maxPending: 1 });
    const mail = acknowledging();
    await provider.subscriptions.declare([subscription("mail")]);
    const published = envelopes(20).map((it) => publish(it));
    await provider.consume(consumer("mail", { concurrency: 1 }), mail.deliver);
    await Promise.all(published);
    await idle();
    expect(mail.seen).toEqual(envelopes(20).map((it) => it.id));
  });

  test("an event whose subscriptions have room passes those that wait", async () => {
    const { provider, publish } = await startProvider({ maxPending: 1 });
    const stock = openRuns();
    await provider.subscriptions.declare([subscription("mail", { events: ["a", "both"] })]);
    await provider.consume(consumer("stock", { events: ["b", "both"] }), stock.deliver);
    await publish(envelope("1", { name: "a" }));
    const waiting = watch(
      publish(
        envelope("2", { name: "a" }),
        envelope("3", { name: "b" }),
        envelope("4", { name: "both" }),
      ),
    );
    expect(await ids(stock)).toEqual(["3"]);
    expect(waiting.results).toBeUndefined();
  });

  test("an event passes nobody on its way to a subscription that keeps an order", async () => {
    const { provider, publish } = await startProvider({ maxPending: 1 });
    const stock = openRuns();
    await provider.subscriptions.declare([subscription("mail", { events: ["both"] })]);
    await provider.consume(
      consumer("stock", { events: ["b", "both"], ordering: "key" }),
      stock.deliver,
    );
    const key = { orderingKey: "k" };
    await publish(envelope("1", { name: "both", ...key }));
    await idle();
    stock.run("1").settle(ACK);
    void publish(envelope("2", { name: "both", ...key }), envelope("3", { name: "b", ...key }));
    expect(await ids(stock)).toEqual(["1"]);
    await provider.consume(consumer("mail", { events: ["both"] }), acknowledging().deliver);
    await idle();
    expect(stock.inHand).toEqual(["2"]);
    stock.run("2").settle(ACK);
    expect(await ids(stock)).toEqual(["1", "2", "3"]);
  });

  test("an event that waits reaches all of its subscriptions or none", async () => {
    const { provider, clock, publish, publishWithin } = await startProvider({ maxPending: 1 });
    const free = acknowledging();
    await provider.subscriptions.declare([subscription("full")]);
    await provider.consume(consumer("free"), free.deliver);
    await publish(envelope("1"));
    void publishWithin(100, envelope("2"));
    await clock.advance(100);
    expect(free.seen).toEqual(["1"]);
  });

  test("what is in flight, dead or has come back does not count", async () => {
    const { provider, publish } = await startProvider({ maxPending: 1 });
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 3 }), runs.deliver);
    for (const it of envelopes(3)) {
      await publish(it);
      await idle();
    }
    expect(runs.inHand).toEqual(["1", "2", "3"]);
    for (const run of ["1", "2", "3"]) runs.run(run).settle({ type: "release", delayMs: 100 });
    await idle();
    expect(await provider.admin.stats()).toMatchObject([{ delayed: 3 }]);
  });

  test("retiring a full subscription lets those in that waited for it", async () => {
    const { provider, publish } = await startProvider({ maxPending: 1 });
    const free = acknowledging();
    await provider.subscriptions.declare([subscription("full")]);
    await provider.consume(consumer("free"), free.deliver);
    await publish(envelope("1"));
    const waiting = publish(envelope("2"));
    await provider.subscriptions.retire("full", { backlog: "keep" });
    expect(await waiting).toEqual([{ status: "accepted", subscriptions: 1 }]);
    await idle();
    expect(free.seen).toEqual(["1", "2"]);
  });

  test("publishes that time out while others wait are forgotten", async () => {
    const { provider, clock, publish, publishWithin } = await startProvider({ maxPending: 1 });
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(envelope("1"));
    const patient = publishWithin(10_000, envelope("patient"));
    for (let round = 0; round < 20; round++) {
      for (const it of envelopes(20, `${round}.`)) void publishWithin(10, it);
      await clock.advance(10);
    }
    expect(clock.pendingTimers()).toBe(1);
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    expect(await patient).toMatchObject([{ status: "accepted" }]);
    await idle();
    expect(mail.seen).toEqual(["1", "patient"]);
  });

  test("a publish that timed out before others is passed over when there is room", async () => {
    const { provider, clock, publish, publishWithin } = await startProvider({ maxPending: 1 });
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(envelope("1"));
    await idle();
    await publish(envelope("2"));
    const hasty = publishWithin(10, envelope("hasty"));
    const patient = publishWithin(10_000, envelope("patient"));
    await clock.advance(10);
    expect(await hasty).toMatchObject([{ status: "rejected" }]);
    runs.run("1").settle(ACK);
    expect(await patient).toMatchObject([{ status: "accepted" }]);
    runs.run("2").settle(ACK);
    expect(await ids(runs)).toEqual(["1", "2", "patient"]);
  });

  test("of an array, what was let in before the deadline stays accepted", async () => {
    const { provider, clock, publish, publishWithin } = await startProvider({ maxPending: 1 });
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(envelope("1"));
    await idle();
    const published = publishWithin(100, ...envelopes(3, "of array "));
    runs.run("1").settle(ACK);
    await clock.advance(100);
    expect((await published).map((it) => it.status)).toEqual(["accepted", "accepted", "rejected"]);
    runs.run("of array 1").settle(ACK);
    expect(await ids(runs)).toEqual(["1", "of array 1", "of array 2"]);
  });

  test("stop refuses what still waits", async () => {
    const { provider, publish } = await startProvider({ maxPending: 1 });
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(envelope("1"));
    const waiting = publish(envelope("2"));
    await provider.stop({ graceMs: 0 });
    expect(await waiting).toMatchObject([{ status: "rejected", code: "refused" }]);
  });
});

describe("deduplication", () => {
  const once = { deduplicationId: "order-1" };

  test("a second event with the id is accepted and not delivered, until the window ends", async () => {
    const { provider, clock, publish } = await startProvider({ deduplicationWindowMs: 1_000 });
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    expect(await publish(envelope("1", once), envelope("2", once))).toEqual([
      { status: "accepted", subscriptions: 1 },
      { status: "duplicate", subscriptions: 1 },
    ]);
    await clock.advance(999);
    expect(await publish(envelope("3", once))).toMatchObject([{ status: "duplicate" }]);
    await clock.advance(1);
    expect(await publish(envelope("4", once))).toMatchObject([{ status: "accepted" }]);
    await idle();
    expect(mail.seen).toEqual(["1", "4"]);
  });

  test("a rejected event leaves its id free", async () => {
    const { provider, publish, publishWithin } = await startProvider({ maxPending: 1 });
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(envelope("1"));
    expect(await publishWithin(0, envelope("2", once))).toMatchObject([{ status: "rejected" }]);
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    await idle();
    expect(await publish(envelope("3", once))).toMatchObject([{ status: "accepted" }]);
  });

  test("a subscription that has not had the id gets the event", async () => {
    const { provider, publish } = await startProvider();
    const [mail, stock] = [acknowledging(), acknowledging()];
    await provider.consume(consumer("mail"), mail.deliver);
    await publish(envelope("1", once));
    await provider.consume(consumer("stock"), stock.deliver);
    expect(await publish(envelope("2", once))).toEqual([{ status: "accepted", subscriptions: 1 }]);
    await idle();
    expect(mail.seen).toEqual(["1"]);
    expect(stock.seen).toEqual(["2"]);
  });

  test("an id is remembered for its window, whatever other ids come and go", async () => {
    const { provider, clock, publish } = await startProvider({ deduplicationWindowMs: 1_000 });
    await provider.consume(consumer("mail"), acknowledging().deliver);
    await publish(envelope("0", { deduplicationId: "0" }));
    await clock.advance(500);
    await publish(envelope("1", once));
    for (let number = 1; number < 10; number++) {
      await clock.advance(100);
      await publish(envelope("x", { deduplicationId: String(number) }));
      expect(await publish(envelope("2", once))).toMatchObject([{ status: "duplicate" }]);
    }
    await clock.advance(100);
    expect(await publish(envelope("3", once))).toMatchObject([{ status: "accepted" }]);
  });
});
