import assert from "node:assert/strict";
import type { PublishResult } from "@busbar/core/provider";
import { consumer, envelope, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, can, durable, groupsOnBus, has } from "../requirements.ts";
import { RunRecorder } from "../run-recorder.ts";

const RULE = "contract: the to of an envelope is honoured";
const targets = all(can("targets"), has("subscriptions"));

export const named: readonly ConformanceCase[] = defineCases("to", [
  {
    id: "named",
    name: "an event goes to the named subscriptions only, under whichever of their ids",
    promise: RULE,
    when: targets,
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      const post = await instance.consume(consumer("post", { aliases: ["letters"] }));
      const stock = await instance.consume(consumer("stock", { events: ["order.*"] }));
      const peer = await context.peerOf(instance);
      const [both] = await peer.publish(envelope("1", { to: ["stock", "letters"] }));
      assert.deepEqual(both, { status: "accepted", subscriptions: 2 });
      await peer.publish(envelope("2", { to: ["mail"] }), envelope("3"));
      for (const inbox of [mail, post, stock]) await instance.nothingMore(inbox);
      const seen = [mail, post, stock].map(({ ids }) =>
        ids.filter((id) => !id.startsWith("marker-")).toSorted(),
      );
      assert.deepEqual(seen, [
        ["2", "3"],
        ["1", "3"],
        ["1", "3"],
      ]);
    },
  },
  {
    id: "unknown",
    name: "an event to a subscription that is unknown, or does not want it, goes to nobody",
    promise: RULE,
    when: targets,
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      await instance.declare(subscription("other", { events: ["other"] }));
      for (const id of ["nobody", "other"]) {
        const [refused] = await instance.answers([envelope("refused", { to: ["mail", id] })]);
        assertUnknown(refused, id);
      }
      const batch = [envelope("1"), envelope("refused", { to: ["nobody"] }), envelope("2")];
      const results = await instance.answers(batch);
      assert.equal(results.length, 3);
      assertUnknown(results[1], "nobody");
      const accepted = batch.filter((_, index) => results[index]?.status === "accepted");
      await instance.nothingMore(mail);
      assert.deepEqual(
        mail.ids.filter((id) => !id.startsWith("marker-")).toSorted(),
        accepted.map(({ id }) => id),
      );
    },
  },
  {
    id: "in-order",
    name: "an event to one subscription keeps its place in the order of its key",
    promise: RULE,
    when: all(targets, can("ordering")),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail", { ordering: "key" }));
      const stock = await instance.consume(consumer("stock", { ordering: "key" }));
      const orderingKey = "key";
      await instance.publish(
        envelope("1", { orderingKey }),
        envelope("2", { orderingKey, to: ["mail"] }),
        envelope("3", { orderingKey }),
      );
      await instance.publish(envelope("4", { orderingKey, to: ["mail"] }));
      await instance.publish(envelope("5", { orderingKey }));
      await mail.received(5);
      await stock.received(3);
      assert.deepEqual(mail.ids, ["1", "2", "3", "4", "5"]);
      assert.deepEqual(stock.ids, ["1", "3", "5"]);
    },
  },
  {
    id: "delayed",
    name: "an event to one subscription is delayed as others are",
    promise: RULE,
    when: all(targets, can("delay"), has("admin")),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("stock"));
      const delayMs = context.ms(60_000);
      await instance.publish(envelope("late", { delayMs, to: ["mail"] }));
      await instance.showsStats("mail", { ready: 0, delayed: 1 });
      await instance.showsStats("stock", { ready: 0, delayed: 0 });
    },
  },
  {
    id: "deduplication",
    name: "a deduplicationId counts for the named subscriptions only",
    promise: RULE,
    when: all(targets, can("deduplication")),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      const stock = await instance.consume(consumer("stock"));
      const send = async (id: string, ...to: string[]) => {
        const [result] = await instance.answers([envelope(id, { deduplicationId: "d", to })]);
        return result?.status;
      };
      assert.equal(await send("1", "mail"), "accepted");
      assert.equal(await send("2", "mail"), "duplicate");
      assert.equal(await send("3", "mail", "stock"), "accepted");
      await stock.has(["3"]);
      await instance.nothingMore(mail);
      assert.deepEqual(
        mail.ids.filter((id) => !id.startsWith("marker-")),
        ["1"],
      );
    },
  },
  {
    id: "orphaned",
    name: "an event to an orphaned subscription goes to nobody",
    promise:
      "guarantee: a subscription that nobody declares for orphanedAfterMs gets no new events",
    when: all(targets, durable),
    async run(context) {
      const instance = await context.start({ orphanedAfterMs: 400 });
      await instance.declare(subscription("left"));
      await context.waiting.eventually("an orphan in the list", async () => {
        await instance.declare(subscription("mail"));
        return (await instance.registry.list()).some(({ orphaned }) => orphaned);
      });
      const [refused] = await instance.answers([envelope("1", { to: ["mail", "left"] })]);
      assertUnknown(refused, "left");
      await instance.showsStats("mail", { ready: 0 });
      await instance.declare(subscription("left"));
      await instance.publish(envelope("2", { to: ["left"] }));
    },
  },
  {
    id: "on-the-bus",
    name: "the bus emits to a paused subscription, also from a group, and rejects an emit to an unknown one",
    promise: "bus: the emit option to",
    when: all(targets, groupsOnBus),
    async run(context) {
      const bus = await context.bus();
      const [mail, stock] = [new RunRecorder(context), new RunRecorder(context)];
      bus.subscribe("a", mail.subscriber(), { subscriberId: "mail", concurrency: 1 });
      bus.subscribe("a", stock.subscriber(), { subscriberId: "stock", concurrency: 1 });
      await bus.start();
      await bus.pause("mail");
      await bus.emit("a", 1, { to: ["mail"] });
      const metadata = { eventGroupId: "g" };
      await bus.emit({ name: "a", data: 2, metadata, options: { to: ["mail"] } });
      await bus.releaseGroupedEvents("g");
      const code = "BUSBAR_NOT_FOUND";
      await assert.rejects(bus.emit("a", 3, { to: ["stock", "nobody"] }), { code });
      await bus.emit("a", 4, { to: ["stock"] });
      await stock.ran(1);
      await bus.resume("mail");
      await mail.ran(2);
      assert.deepEqual([mail.data, stock.data], [[1, 2], [4]]);
    },
  },
]);

function assertUnknown(result: PublishResult | undefined, subscriptionId: string): void {
  assert.equal(result?.status, "rejected", JSON.stringify(result));
  assert.equal(result.code, "unknown-subscription");
  assert.equal(result.subscriptionId, subscriptionId);
  assert.ok(result.reason.length > 0, "it says why");
  assert.ok(!result.retryable, "no repetition would help");
}
