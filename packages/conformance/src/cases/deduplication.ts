import assert from "node:assert/strict";
import { ACK, consumer, dead, envelope } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { adjusts, all, can, cannot, durable, has } from "../requirements.ts";

const RULE = "contract: deduplicationId is honoured";

export const deduplication: readonly ConformanceCase[] = defineCases("deduplication", [
  {
    id: "once",
    name: "a second event with a deduplicationId is accepted and not delivered",
    promise: RULE,
    when: can("deduplication"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1", { deduplicationId: "d" }));
      await inbox.has(["1"]);
      await inbox.idle();
      const [again] = await instance.answers([envelope("2", { deduplicationId: "d" })]);
      assert.deepEqual(again, { status: "duplicate", subscriptions: 1 });
      await instance.publish(envelope("3", { deduplicationId: "e" }), envelope("4"));
      await instance.nothingMore(inbox);
      assert.deepEqual(inbox.ids.filter((id) => !id.startsWith("marker")).toSorted(), [
        "1",
        "3",
        "4",
      ]);
    },
  },
  {
    id: "at-once",
    name: "of many that are published at the same time with one deduplicationId, one is delivered",
    promise: RULE,
    when: can("deduplication"),
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const inbox = await instance.consume(consumer("mail"));
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 ? instance : peer).answers([envelope(`${index}`, { deduplicationId: "d" })]),
        ),
      );
      const accepted = results.flat().filter(({ status }) => status === "accepted");
      assert.equal(accepted.length, 1);
      await instance.nothingMore(inbox);
      assert.equal(inbox.ids.length, 2, "one event, and the marker");
    },
  },
  {
    id: "per-subscription",
    name: "each subscription remembers for itself",
    promise: "guarantee: each subscription deduplicates for itself",
    when: can("deduplication"),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail", { events: ["x.mail", "x.both"] }));
      const stock = await instance.consume(consumer("stock", { events: ["x.stock", "x.both"] }));
      const send = (id: string, name: string) =>
        instance.answers([envelope(id, { name, deduplicationId: "d" })]);
      assert.deepEqual((await send("1", "x.mail"))[0]?.status, "accepted");
      assert.deepEqual((await send("2", "x.both"))[0]?.status, "accepted");
      assert.deepEqual((await send("3", "x.stock"))[0]?.status, "duplicate");
      await mail.has(["1"]);
      await stock.has(["2"]);
      await instance.nothingMore(mail, "x.mail");
      assert.equal(mail.times("2") + stock.times("3"), 0);
    },
  },
  {
    id: "window",
    name: "a deduplicationId is forgotten when its window has passed",
    promise: RULE,
    when: all(can("deduplication"), adjusts("deduplicationWindowMs")),
    async run(context) {
      const instance = await context.start({}, { deduplicationWindowMs: 150 });
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("first", { deduplicationId: "d" }));
      let attempt = 0;
      await context.waiting.eventually("a deduplicationId to be forgotten", async () => {
        const id = `again-${++attempt}`;
        const [result] = await instance.answers([envelope(id, { deduplicationId: "d" })]);
        return result?.status === "accepted";
      });
      assert.ok(attempt > 1, "it was remembered for a while");
      await inbox.has(["first", `again-${attempt}`]);
    },
  },
  {
    id: "replay",
    name: "a replay is not taken for a duplicate",
    promise: "guarantee: a replayed dead letter is delivered in any case",
    when: all(can("deduplication"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (_, nth) =>
        nth === 1 ? dead() : ACK,
      );
      await instance.publish(envelope("1", { deduplicationId: "d" }));
      const [letter] = await instance.hasDead("mail", 1);
      assert.equal(await instance.admin.replayDead("mail", [letter?.id ?? ""]), 1);
      await inbox.received(2);
    },
  },
  {
    id: "restart",
    name: "a deduplicationId is remembered by all instances, and after the one that saw it is gone",
    promise: "contract: durable, and deduplicationId is honoured",
    when: all(can("deduplication"), durable),
    async run(context) {
      const first = await context.start();
      const inbox = await first.consume(consumer("mail"));
      await first.publish(envelope("1", { deduplicationId: "d" }));
      await inbox.has(["1"]);
      await first.stop();
      const second = await context.start();
      const [again] = await second.answers([envelope("2", { deduplicationId: "d" })]);
      assert.equal(again?.status, "duplicate");
    },
  },
  {
    id: "declined",
    name: "without deduplication, both events are delivered",
    promise: "guarantee: what is declined is not done by halves",
    when: cannot("deduplication"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(
        envelope("1", { deduplicationId: "d" }),
        envelope("2", { deduplicationId: "d" }),
      );
      await inbox.has(["1", "2"]);
    },
  },
]);
