import { describe, expect, test } from "vitest";
import { idle } from "../support/manual-clock.ts";
import {
  ACK,
  acknowledging,
  consumer,
  DEAD,
  envelope,
  envelopes,
  openRuns,
  retry,
  startProvider,
  subscription,
} from "./harness.ts";

describe("declare", () => {
  test("adds events and never removes any; the policy is the strictest one", async () => {
    const { provider, clock } = await startProvider();
    const { subscriptions } = provider;
    await subscriptions.declare([subscription("mail", { ordering: "key" })]);
    await clock.advance(5);
    await subscriptions.declare([subscription("mail", { events: ["order.paid"] })]);
    expect(await subscriptions.list()).toEqual([
      {
        subscriptionId: "mail",
        events: ["order.placed", "order.paid"],
        ordering: "key",
        onOrderedFailure: "park",
        aliases: [],
        lastSeenAt: clock.now(),
        orphaned: false,
        withheld: 0,
      },
    ]);
  });

  test("declares nothing when one of the patterns is malformed", async () => {
    const { provider } = await startProvider();
    const specs = [subscription("mail"), subscription("stock", { events: ["or*der"] })];
    await expect(provider.subscriptions.declare(specs)).rejects.toThrow(TypeError);
    expect(await provider.subscriptions.list()).toEqual([]);
  });
});

describe("a stricter policy", () => {
  test("orders what waits, and waits for what has begun", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(...["1", "2", "3"].map((id) => envelope(id, { orderingKey: "a" })));
    await idle();
    await provider.consume(consumer("mail", { ordering: "key" }), runs.deliver);
    await publish(envelope("4", { orderingKey: "a" }), envelope("free", { orderingKey: "b" }));
    await idle();
    expect(runs.inHand.toSorted()).toEqual(["1", "free"]);
    for (const id of ["1", "2", "3"]) {
      runs.run(id).settle(ACK);
      await idle();
    }
    expect(runs.inHand.toSorted()).toEqual(["4", "free"]);
  });

  test("blocks a key from then on", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { ordering: "key" }), runs.deliver);
    await publish(envelope("1", { orderingKey: "a" }), envelope("2", { orderingKey: "a" }));
    await idle();
    const strict = { ordering: "key", onOrderedFailure: "block" } as const;
    await provider.subscriptions.declare([subscription("mail", strict)]);
    runs.run("1").settle(DEAD);
    await idle();
    expect(runs.inHand).toEqual([]);
    const [letter] = (await provider.admin.listDead("mail", { limit: 1 })).items;
    await provider.admin.discardDead("mail", [letter?.id ?? ""]);
    await idle();
    expect(runs.inHand).toEqual(["2"]);
  });
});

describe("aliases", () => {
  test("what waits or is dead under an earlier id belongs to the new one", async () => {
    const { provider, clock, publish } = await startProvider();
    const { subscriptions, admin } = provider;
    const old = await provider.consume(consumer("old"), async () => DEAD);
    await publish(envelope("dead"));
    await idle();
    await old.close({ graceMs: 0 });
    await publish(envelope("1"), envelope("later", { delayMs: 100 }), envelope("2"));

    const mail = acknowledging();
    await provider.consume(consumer("new", { aliases: ["old"] }), mail.deliver);
    await publish(envelope("3"));
    await clock.advance(100);
    expect(mail.seen).toEqual(["1", "2", "3", "later"]);
    const { items } = await admin.listDead("new", { limit: 10 });
    expect(items.map((it) => it.envelope.id)).toEqual(["dead"]);
    expect((await admin.stats()).map((it) => it.subscriptionId)).toEqual(["new"]);
    expect((await subscriptions.list()).map((it) => it.subscriptionId)).toEqual(["new"]);
  });

  test("a later declaration of the earlier id is ignored", async () => {
    const { provider, publish } = await startProvider();
    await provider.subscriptions.declare([subscription("new", { aliases: ["old"] })]);
    await provider.subscriptions.declare([subscription("old", { events: ["*"] })]);
    expect((await provider.subscriptions.list()).map((it) => it.subscriptionId)).toEqual(["new"]);
    expect(await publish(envelope("1"))).toEqual([{ status: "accepted", subscriptions: 1 }]);
  });

  test("what is in flight under the earlier id keeps its key, and comes back under the new one", async () => {
    const { provider, publish } = await startProvider();
    const byKey = { ordering: "key" } as const;
    const runs = openRuns();
    const old = await provider.consume(consumer("old", byKey), runs.deliver);
    await publish(envelope("1", { orderingKey: "a" }), envelope("2", { orderingKey: "a" }));
    await idle();
    void old.close({ graceMs: 1_000 });
    const renamed = openRuns();
    await provider.consume(consumer("new", { ...byKey, aliases: ["old"] }), renamed.deliver);
    await idle();
    expect(renamed.inHand).toEqual([]);
    runs.run("1").settle(retry(0, { failed: 1 }));
    await idle();
    expect(renamed.inHand).toEqual(["1"]);
    expect(renamed.run("1").state).toEqual({ failed: 1 });
    renamed.run("1").settle(ACK);
    await idle();
    expect(renamed.inHand).toEqual(["2"]);
  });

  test("a dead letter that blocks its key goes on blocking it under the new id", async () => {
    const { provider, publish } = await startProvider();
    const blocking = { ordering: "key", onOrderedFailure: "block" } as const;
    const old = await provider.consume(consumer("old", blocking), async () => DEAD);
    await publish(envelope("1", { orderingKey: "a" }), envelope("2", { orderingKey: "a" }));
    await idle();
    await old.close({ graceMs: 0 });
    const mail = acknowledging();
    await provider.consume(consumer("new", { ...blocking, aliases: ["old"] }), mail.deliver);
    await idle();
    expect(mail.seen).toEqual([]);
    const [letter] = (await provider.admin.listDead("new", { limit: 1 })).items;
    await provider.admin.replayDead("new", [letter?.id ?? ""]);
    await idle();
    expect(mail.seen).toEqual(["1", "2"]);
  });
});

describe("retire", () => {
  test("by an earlier id leaves the present subscription alone", async () => {
    const { provider, publish } = await startProvider();
    await provider.subscriptions.declare([subscription("new", { aliases: ["old"] })]);
    expect(await provider.subscriptions.retire("old", { backlog: "discard" })).toBe(0);
    expect(await publish(envelope("1"))).toMatchObject([{ subscriptions: 1 }]);
  });

  test("parks the backlog and takes no new events, until the subscription is declared again", async () => {
    const { provider, publish } = await startProvider();
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(...envelopes(2));
    expect(await provider.subscriptions.retire("mail", { backlog: "keep" })).toBe(0);
    expect(await provider.subscriptions.list()).toEqual([]);
    expect(await publish(envelope("3"))).toEqual([{ status: "accepted", subscriptions: 0 }]);
    expect(await provider.admin.stats()).toMatchObject([{ subscriptionId: "mail", ready: 2 }]);
    const mail = acknowledging();
    await provider.consume(consumer("mail"), mail.deliver);
    await idle();
    expect(mail.seen).toEqual(["1", "2"]);
  });

  test("hands a running consumer nothing more", async () => {
    const { provider, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(...envelopes(2));
    await idle();
    await provider.subscriptions.retire("mail", { backlog: "keep" });
    runs.run("1").settle(ACK);
    await idle();
    expect(runs.inHand).toEqual([]);
  });

  test("dead-letters what waits, whatever it waits for", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { ordering: "key", concurrency: 1 }), runs.deliver);
    await publish(
      envelope("in flight", { orderingKey: "a" }),
      envelope("held", { orderingKey: "a" }),
      envelope("ready"),
      envelope("delayed", { delayMs: 1_000 }),
    );
    await idle();
    expect(await provider.subscriptions.retire("mail", { backlog: "dead-letter" })).toBe(3);
    expect(clock.pendingTimers({ keepAlive: true })).toBe(0);
    const { items } = await provider.admin.listDead("mail", { limit: 10 });
    expect(items.map((it) => it.envelope.id)).toEqual(["held", "ready", "delayed"]);
    expect(items[0]).toMatchObject({ reason: "retired", state: null });
  });

  test("discards what waits, and forgets a subscription of which nothing is left", async () => {
    const { provider, publish } = await startProvider();
    await provider.subscriptions.declare([subscription("mail")]);
    await publish(...envelopes(2));
    expect(await provider.subscriptions.retire("mail", { backlog: "discard" })).toBe(2);
    expect(await provider.admin.stats()).toEqual([]);
    expect(await provider.subscriptions.retire("mail", { backlog: "discard" })).toBe(0);
  });

  test("of some events touches only what no other event of the subscription wants", async () => {
    const { provider, publish } = await startProvider();
    const events = ["order.placed", "order.paid", "user.*", "user.created"];
    await provider.subscriptions.declare([subscription("mail", { events, ordering: "all" })]);
    await publish(
      envelope("1", { name: "order.placed" }),
      envelope("2", { name: "order.paid" }),
      envelope("3", { name: "user.created" }),
      envelope("4", { name: "order.paid" }),
    );
    const options = { events: ["order.placed", "user.created"], backlog: "discard" } as const;
    expect(await provider.subscriptions.retire("mail", options)).toBe(1);
    expect((await provider.subscriptions.list())[0]?.events).toEqual(["order.paid", "user.*"]);
    expect(await publish(envelope("5"), envelope("6", { name: "user.created" }))).toMatchObject([
      { subscriptions: 0 },
      { subscriptions: 1 },
    ]);
    const mail = acknowledging();
    await provider.consume(
      consumer("mail", { events: ["order.paid"], ordering: "all" }),
      mail.deliver,
    );
    await idle();
    expect(mail.seen).toEqual(["2", "3", "4", "6"]);
  });

  test("a retry that waits for its time still holds its key when others are discarded", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    const events = ["a", "b"];
    await provider.consume(consumer("mail", { events, ordering: "all" }), runs.deliver);
    await publish(
      envelope("1", { name: "a" }),
      envelope("2", { name: "b" }),
      envelope("3", { name: "a" }),
    );
    await idle();
    runs.run("1").settle(retry(1_000));
    await idle();
    await provider.subscriptions.retire("mail", { events: ["b"], backlog: "discard" });
    await clock.advance(999);
    expect(runs.inHand).toEqual([]);
    await clock.advance(1);
    runs.run("1").settle(ACK);
    await idle();
    expect(runs.started).toEqual(["1", "1", "3"]);
  });

  test("of all events by name is the same as of all", async () => {
    const { provider } = await startProvider();
    await provider.subscriptions.declare([subscription("mail")]);
    await provider.subscriptions.retire("mail", { events: ["order.placed"], backlog: "keep" });
    expect(await provider.subscriptions.list()).toEqual([]);
  });
});
