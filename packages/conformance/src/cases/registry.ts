import assert from "node:assert/strict";
import { consumer, dead, envelope, envelopes, subscription } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Instance } from "../instance.ts";
import { all, durable, has } from "../requirements.ts";

const ORPHANED_AFTER_MS = 400;

/** Resolves once nobody has declared "left" for long, and "kept" has just been declared. */
async function orphaned(context: CaseContext, instance: Instance): Promise<void> {
  await context.waiting.eventually("an orphan in the list", async () => {
    await instance.declare(subscription("kept"));
    const list = await instance.registry.list();
    assert.equal(list.find((it) => it.subscriptionId === "kept")?.orphaned, false);
    return list.find((it) => it.subscriptionId === "left")?.orphaned === true;
  });
}

export const registry: readonly ConformanceCase[] = defineCases("registry", [
  {
    id: "list",
    name: "list tells of every subscription what was declared, and when",
    promise: "contract: SubscriptionRegistry.list",
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      const from = Date.now();
      await instance.declare(subscription("mail", { events: ["order.placed", "order.*"] }));
      const list = await instance.registry.list();
      assert.equal(list.length, 1);
      const [entry] = list;
      assert.deepEqual(
        { ...entry, lastSeenAt: 0, events: entry?.events.toSorted() },
        {
          ...subscription("mail", { events: ["order.*", "order.placed"] }),
          lastSeenAt: 0,
          orphaned: false,
          withheld: 0,
        },
      );
      assert.ok((entry?.lastSeenAt ?? 0) >= from - 1_000);
    },
  },
  {
    id: "additive",
    name: "declaring adds events, and removes none",
    promise: "contract: declare adds, never removes",
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      const events = ["one", "two", "three"];
      await instance.declare(subscription("mail", { events: ["one", "two"] }));
      await instance.declare(subscription("mail", { events: ["three"] }), subscription("stock"));
      await instance.declare(subscription("stock"));
      const list = await instance.registry.list();
      const mail = list.find(({ subscriptionId }) => subscriptionId === "mail");
      assert.deepEqual(mail?.events.toSorted(), events.toSorted());
      const results = await instance.publish(...events.map((name) => envelope(name, { name })));
      for (const result of results)
        assert.deepEqual(result, { status: "accepted", subscriptions: 1 });
    },
  },
  {
    id: "while-consumed",
    name: "a consumer that runs gets events that are declared later",
    promise: "contract: resolves once every publish that begins later routes by it",
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { events: ["one"] }));
      await instance.declare(subscription("mail", { events: ["two.*"] }));
      await instance.publish(envelope("1", { name: "two.more" }));
      await inbox.has(["1"]);
    },
  },
  {
    id: "everywhere",
    name: "when declare resolves, every instance publishes by it",
    promise: "contract: every publish that begins later, in any process, routes by it",
    when: durable,
    async run(context) {
      const [declaring, emitting] = [await context.start(), await context.start()];
      // Whatever it keeps in memory of the list is from before.
      await emitting.publish(envelope("0"));
      for (let count = 1; count <= 10; count++) {
        await declaring.declare(subscription(`subscription-${count}`));
        const [result] = await emitting.publish(envelope(`${count}`));
        assert.deepEqual(result, { status: "accepted", subscriptions: count });
      }
    },
  },
  {
    id: "survives",
    name: "the list outlives the instance that declared",
    promise: "guarantee: the subscription list is durable",
    when: durable,
    async run(context) {
      const first = await context.start();
      await first.declare(subscription("mail", { events: ["order.*"] }));
      await first.stop();
      const second = await context.start();
      const [result] = await second.publish(envelope("1"));
      assert.deepEqual(result, { status: "accepted", subscriptions: 1 });
      const inbox = await second.consume(consumer("mail", { events: ["order.*"] }));
      await inbox.has(["1"]);
    },
  },
  {
    id: "alias-backlog",
    name: "what waits under an earlier id is delivered under the new one",
    promise: "contract: SubscriptionSpec.aliases",
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("old"));
      const ids = envelopes(10).map(({ id }) => id);
      await instance.publish(...envelopes(10));
      const inbox = await instance.consume(consumer("new", { aliases: ["old"] }));
      await inbox.has(ids);
      const [result] = await instance.publish(envelope("after"));
      assert.deepEqual(
        result,
        { status: "accepted", subscriptions: 1 },
        "one subscription, not two",
      );
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("after"), 1);
    },
  },
  {
    id: "alias-dead",
    name: "what is dead under an earlier id is dead under the new one",
    promise: "contract: SubscriptionSpec.aliases",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const old = await instance.consume(consumer("old"), () => dead("before"));
      await instance.publish(envelope("1"));
      await instance.hasDead("old", 1);
      await old.close();
      const inbox = await instance.consume(consumer("new", { aliases: ["old"] }));
      const [letter] = await instance.hasDead("new", 1);
      assert.equal(letter?.reason, "before");
      assert.equal(await instance.admin.replayDead("new", [letter.id]), 1);
      await inbox.has(["1"]);
    },
  },
  {
    id: "orphaned",
    name: "a subscription that nobody declares gets no new events, and keeps what it had",
    promise:
      "guarantee: a subscription that nobody declares for orphanedAfterMs gets no new events",
    when: all(durable, has("admin")),
    async run(context) {
      const instance = await context.start({ orphanedAfterMs: ORPHANED_AFTER_MS });
      await instance.declare(subscription("left"), subscription("kept"));
      await instance.publish(envelope("before"));
      await orphaned(context, instance);
      const [during] = await instance.publish(envelope("during"));
      assert.deepEqual(during, { status: "accepted", subscriptions: 1 });
      await instance.hasStats("left", { ready: 1 });
      // An instance that declares it again has it back.
      const inbox = await instance.consume(consumer("left"));
      await instance.publish(envelope("after"));
      await inbox.has(["before", "after"]);
      assert.equal(inbox.times("during"), 0);
    },
  },
  {
    id: "withheld",
    name: "events that an orphan does not get are counted, for all processes, until it is retired",
    promise: "guarantee: an orphan gets no new events, which is counted",
    when: durable,
    async run(context) {
      const instance = await context.start({ orphanedAfterMs: ORPHANED_AFTER_MS });
      await instance.declare(subscription("left"), subscription("kept"));
      await instance.publish(envelope("before"));
      await orphaned(context, instance);
      await instance.publish(...envelopes(3, "during-"), envelope("other", { name: "no.body" }));
      const withheld = async (from: Instance): Promise<object> =>
        Object.fromEntries(
          (await from.registry.list()).map((it) => [it.subscriptionId, it.withheld]),
        );
      const another = await context.start({ orphanedAfterMs: ORPHANED_AFTER_MS });
      assert.deepEqual(await withheld(another), { left: 3, kept: 0 });
      await instance.declare(subscription("left"), subscription("kept"));
      await instance.publish(envelope("after"));
      assert.deepEqual(await withheld(another), { left: 3, kept: 0 }, "what it missed is known");
      await instance.registry.retire("left", { backlog: "discard" });
      await instance.declare(subscription("left"));
      assert.deepEqual(await withheld(another), { left: 0, kept: 0 });
    },
  },
]);
