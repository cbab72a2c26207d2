import assert from "node:assert/strict";
import { consumer, dead, envelope, envelopes, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Envelope } from "@busbar/core/provider";
import { all, can, has } from "../requirements.ts";

const RETIRE = "contract: SubscriptionRegistry.retire";

export const retiring: readonly ConformanceCase[] = defineCases("retire", [
  {
    id: "discard",
    name: "with discard, what waits is gone and nothing new comes",
    promise: RETIRE,
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("stock"));
      await instance.publish(...envelopes(7));
      assert.equal(await instance.registry.retire("mail", { backlog: "discard" }), 7);
      const [result] = await instance.publish(envelope("after"));
      assert.deepEqual(result, { status: "accepted", subscriptions: 1 });
      const list = await instance.registry.list();
      assert.deepEqual(
        list.map(({ subscriptionId }) => subscriptionId),
        ["stock"],
      );
      const again = await instance.consume(consumer("mail"));
      await instance.nothingMore(again);
      assert.equal(again.ids.length, 1, "the marker only");
    },
  },
  {
    id: "dead-letter",
    name: "with dead-letter, what waits becomes dead letters whose reason is retired",
    promise: RETIRE,
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      await instance.publish(...envelopes(5));
      assert.equal(await instance.registry.retire("mail", { backlog: "dead-letter" }), 5);
      const letters = await instance.hasDead("mail", 5);
      assert.ok(letters.every(({ reason }) => reason === "retired"));
      assert.deepEqual(
        letters.map(({ envelope: { id } }) => id).toSorted(),
        envelopes(5)
          .map(({ id }) => id)
          .toSorted(),
      );
    },
  },
  {
    id: "bound",
    name: "with dead-letter, no dead letter is dropped to make room: what is beyond the bound goes on waiting",
    promise: RETIRE,
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const deadLetters = { maxPerSubscription: 5, maxAgeMs: 86_400_000 };
      const instance = await context.start({ deadLetters });
      await instance.declare(subscription("mail"));
      for (const it of envelopes(8)) await instance.publish(it);
      assert.equal(await instance.registry.retire("mail", { backlog: "dead-letter" }), 5);
      assert.equal((await instance.dead("mail")).length, 5);
      assert.ok(!instance.reports.some(({ type }) => type === "dead-letters-dropped"));
      assert.equal(await instance.registry.retire("mail", { backlog: "discard" }), 3);
      assert.equal((await instance.dead("mail")).length, 5);
    },
  },
  {
    id: "keep",
    name: "with keep, what waits is there for a later subscription of the same id",
    promise: RETIRE,
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const ids = envelopes(5).map(({ id }) => id);
      await instance.publish(...envelopes(5));
      assert.equal(await instance.registry.retire("mail", { backlog: "keep" }), 0);
      const [during] = await instance.publish(envelope("during"));
      assert.deepEqual(during, { status: "accepted", subscriptions: 0 });
      const inbox = await instance.consume(consumer("mail"));
      await inbox.has(ids);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("during"), 0);
    },
  },
  {
    id: "events",
    name: "retiring some events takes those, and leaves the rest of the subscription alone",
    promise: RETIRE,
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail", { events: ["x.one", "x.two", "y.*"] }));
      const names = ["x.one", "x.two", "y.one", "x.one", "y.two"];
      await instance.publish(...names.map((name, index) => envelope(`${index}`, { name })));
      const retired = { events: ["x.one", "y.*"], backlog: "discard" } as const;
      assert.equal(await instance.registry.retire("mail", retired), 4);
      const results = await instance.publish(
        envelope("a", { name: "x.one" }),
        envelope("b", { name: "x.two" }),
        envelope("c", { name: "y.one" }),
      );
      assert.deepEqual(
        results.map((result) => result.status === "accepted" && result.subscriptions),
        [0, 1, 0],
      );
      const inbox = await instance.consume(consumer("mail", { events: ["x.two"] }));
      await inbox.has(["1", "b"]);
      await instance.nothingMore(inbox, "x.two");
      assert.equal(inbox.ids.length, 3, "two events, and the marker");
      const [entry] = await instance.registry.list();
      assert.deepEqual(entry?.events, ["x.two"]);
    },
  },
  {
    id: "still-wanted",
    name: "what another of its patterns still wants stays when an event is retired",
    promise: RETIRE,
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail", { events: ["x.one", "x.*"] }));
      await instance.publish(envelope("1", { name: "x.one" }));
      const retired = { events: ["x.one"], backlog: "discard" } as const;
      assert.equal(await instance.registry.retire("mail", retired), 0);
      const inbox = await instance.consume(consumer("mail", { events: ["x.*"] }));
      await inbox.has(["1"]);
    },
  },
  {
    id: "others",
    name: "retiring a subscription takes nothing from another",
    promise: RETIRE,
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("stock"));
      const ids = envelopes(5).map(({ id }) => id);
      await instance.publish(...envelopes(5));
      await instance.registry.retire("mail", { backlog: "discard" });
      const inbox = await instance.consume(consumer("stock"));
      await inbox.has(ids);
    },
  },
  {
    id: "dead-stay",
    name: "what was dead before a subscription is retired stays dead, and can be replayed",
    promise: "guarantee: a dead delivery can be listed, replayed and discarded",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), () => dead("before"));
      await instance.publish(envelope("1"));
      await instance.hasDead("mail", 1);
      await inbox.close();
      assert.equal(await instance.registry.retire("mail", { backlog: "dead-letter" }), 0);
      await instance.declare(subscription("mail"));
      assert.equal(await instance.registry.retire("mail", { backlog: "discard" }), 0);
      const [letter] = await instance.hasDead("mail", 1);
      assert.equal(letter?.reason, "before");
      assert.equal(await instance.admin.replayDead("mail", [letter.id]), 1);
      const again = await instance.consume(consumer("mail"));
      await again.has(["1"]);
    },
  },
  {
    id: "unknown",
    name: "retiring what nobody knows is 0, and no error",
    promise: RETIRE,
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      assert.equal(await instance.registry.retire("unknown", { backlog: "discard" }), 0);
    },
  },
  {
    id: "deduplication",
    name: "what is discarded is forgotten, what was handled or is dead is not, by a subscription that is made again",
    promise: RETIRE,
    when: all(has("subscriptions"), has("admin"), can("deduplication")),
    async run(context) {
      const instance = await context.start();
      const send = async (id: string, deduplicationId: string, more?: Partial<Envelope>) => {
        const [result] = await instance.answers([envelope(id, { deduplicationId, ...more })]);
        return result?.status;
      };
      const inbox = await instance.consume(consumer("mail"));
      assert.equal(await send("1", "handled"), "accepted");
      await inbox.has(["1"]);
      await inbox.idle();
      await inbox.close();

      assert.equal(await send("2", "discarded"), "accepted");
      assert.equal(await send("3", "discarded later", { delayMs: 60_000 }), "accepted");
      assert.equal(await instance.registry.retire("mail", { backlog: "discard" }), 2);
      await instance.declare(subscription("mail"));
      assert.equal(await send("4", "handled"), "duplicate");
      assert.equal(await send("5", "discarded"), "accepted");
      assert.equal(await send("6", "discarded later"), "accepted");

      assert.equal(await instance.registry.retire("mail", { backlog: "dead-letter" }), 2);
      await instance.declare(subscription("mail"));
      assert.equal(await send("7", "discarded"), "duplicate");
      assert.equal(await send("8", "handled"), "duplicate");
    },
  },
  {
    id: "deduplication-in-order",
    name: "what is discarded of an ordered subscription is forgotten as well",
    promise: RETIRE,
    when: all(has("subscriptions"), has("admin"), can("deduplication"), can("ordering")),
    async run(context) {
      const instance = await context.start();
      const ordered = subscription("mail", { ordering: "key" });
      await instance.declare(ordered);
      const send = (...ids: string[]) =>
        instance.answers(
          ids.map((id) => envelope(`${id}`, { deduplicationId: id, orderingKey: "k" })),
        );
      await send("1", "2");
      assert.equal(await instance.registry.retire("mail", { backlog: "discard" }), 2);
      await instance.declare(ordered);
      const again = await send("1", "2", "1");
      assert.deepEqual(
        again.map(({ status }) => status),
        ["accepted", "accepted", "duplicate"],
      );
    },
  },
  {
    id: "in-hand",
    name: "what is in hand when its subscription is retired is settled in peace",
    promise: "contract: a delivery is settled exactly as the bus said",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(...envelopes(3));
      await inbox.holds(1);
      assert.equal(await instance.registry.retire("mail", { backlog: "discard" }), 2);
      inbox.settleAll();
      await inbox.idle();
      await instance.hasStats("mail", { ready: 0, inFlight: 0, dead: 0 });
      await instance.silence();
      assert.equal(inbox.ids.length, 1);
    },
  },
]);
