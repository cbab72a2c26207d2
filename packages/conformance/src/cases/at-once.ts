import assert from "node:assert/strict";
import { consumer, envelope, envelopes } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { adjusts, all, can, publishesAtOnce } from "../requirements.ts";

const AT_ONCE = "contract: tryPublish is publish without a promise";
const OR_NOTHING = "contract: tryPublish accepts the whole batch, or does nothing";

/** For providers that have the shorter way to publish. */
export const atOnce: readonly ConformanceCase[] = defineCases("at-once", [
  {
    id: "as-publish",
    name: "tryPublish routes, counts and delivers as publish does, each event once",
    promise: AT_ONCE,
    when: publishesAtOnce,
    async run(context) {
      const instance = await context.start();
      const one = await instance.consume(consumer("one", { events: ["x.one", "x.two"] }));
      const two = await instance.consume(consumer("two", { events: ["x.two"] }));
      const names = ["x.none", "x.one", "x.two", "x.one", "x.none", "x.two"];
      const sent = names.map((name, index) => envelope(`${index}`, { name }));
      assert.deepEqual(
        instance.tryPublish(...sent),
        [0, 1, 2, 1, 0, 2].map((subscriptions) => ({ status: "accepted", subscriptions })),
      );
      assert.deepEqual(instance.tryPublish(envelope("6", { name: "x.one" })), [
        { status: "accepted", subscriptions: 1 },
      ]);
      await one.has(["1", "2", "3", "5", "6"]);
      await two.has(["2", "5"]);
      await instance.nothingMore(one, "x.one");
      assert.deepEqual([one.ids.length, two.ids.length], [6, 2], "each once, and the marker");
    },
  },
  {
    id: "hands-over-later",
    name: "tryPublish hands nothing over before it has returned",
    promise: "contract: publish does not wait for delivery",
    when: publishesAtOnce,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      instance.tryPublish(...envelopes(3));
      assert.deepEqual(inbox.ids, []);
      await inbox.has(envelopes(3).map(({ id }) => id));
    },
  },
  {
    id: "whole",
    name: "tryPublish does nothing with a batch that does not fit as a whole",
    promise: OR_NOTHING,
    when: all(publishesAtOnce, adjusts("maxPending")),
    async run(context) {
      const instance = await context.start({}, { maxPending: 2 });
      const full = await instance.consume(consumer("full", { concurrency: 1 }), "hold");
      const free = await instance.consume(consumer("free", { events: ["free"] }));
      await instance.publish(envelope("held"));
      await full.holds(1);
      await instance.publish(envelope("waits"));
      const tooMany = [envelope("0", { name: "free" }), envelope("1"), envelope("2")];
      assert.equal(instance.tryPublish(...tooMany), undefined, "there is room for one of them");
      full.settleAll();
      await full.has(["waits"]);
      full.settleAll();
      await full.idle();
      await instance.nothingMore(free, "free");
      assert.deepEqual([full.ids, free.ids.length], [["held", "waits"], 1], "and nothing came");
    },
  },
  {
    id: "behind-those-that-wait",
    name: "tryPublish goes before no publish that waits for room",
    promise: OR_NOTHING,
    when: all(publishesAtOnce, adjusts("maxPending")),
    async run(context) {
      const instance = await context.start({}, { maxPending: 1 });
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      await instance.publish(envelope("2"));
      const waiting = instance.publish(envelope("3"));
      assert.equal(instance.tryPublish(envelope("4")), undefined, "3 waits, so 4 would have to");
      for (const id of ["2", "3"]) {
        inbox.settleAll();
        await inbox.has([id]);
      }
      await waiting;
      inbox.settleAll();
      await inbox.idle();
      await instance.silence();
      assert.deepEqual(inbox.ids, ["1", "2", "3"]);
    },
  },
  {
    id: "while-open",
    name: "tryPublish does nothing before the start and after the stop",
    promise: "contract: calls arrive between start and stop",
    when: publishesAtOnce,
    async run(context) {
      const provider = await context.create();
      assert.equal(provider.tryPublish?.([envelope("early")]), undefined, "not started");
      const instance = await context.started(provider);
      const inbox = await instance.consume(consumer("mail"));
      await instance.nothingMore(inbox);
      await instance.stop();
      assert.equal(instance.tryPublish(envelope("late")), undefined, "stopped");
      await instance.silence();
      assert.deepEqual([inbox.times("early"), inbox.times("late")], [0, 0]);
    },
  },
  {
    id: "order",
    name: "events of a key that are published both ways come in the order of their publishes",
    promise: "contract: envelopes with one key come in the order of their publishes",
    when: all(publishesAtOnce, can("ordering")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { ordering: "key" }));
      const sent = envelopes(40, "", () => ({ orderingKey: "key" }));
      const publishes: Promise<unknown>[] = [];
      for (const [index, it] of sent.entries()) {
        if (index % 3 !== 0 || !instance.tryPublish(it)) publishes.push(instance.publish(it));
      }
      await Promise.all(publishes);
      await inbox.received(sent.length);
      assert.deepEqual(
        inbox.ids,
        sent.map(({ id }) => id),
      );
    },
  },
  {
    id: "duplicates",
    name: "a deduplicationId is remembered by both ways to publish",
    promise: "contract: PublishResult duplicate",
    when: all(publishesAtOnce, can("deduplication")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const once = (id: string, deduplicationId: string) => envelope(id, { deduplicationId });
      const statuses = (results: readonly { readonly status: string }[] | undefined) =>
        results?.map(({ status }) => status);
      const batch = [once("1", "a"), once("2", "a"), once("3", "b")];
      assert.deepEqual(statuses(instance.tryPublish(...batch)), [
        "accepted",
        "duplicate",
        "accepted",
      ]);
      assert.deepEqual(statuses(await instance.answers([once("4", "b")])), ["duplicate"]);
      await instance.publish(once("5", "c"));
      assert.deepEqual(statuses(instance.tryPublish(once("6", "c"))), ["duplicate"]);
      await instance.nothingMore(inbox);
      assert.deepEqual(inbox.ids.slice(0, 3), ["1", "3", "5"]);
      assert.equal(inbox.ids.length, 4, "and the marker");
    },
  },
  {
    id: "delay",
    name: "tryPublish honours the delay of an event",
    promise: "contract: delayMs is honoured",
    when: all(publishesAtOnce, can("delay")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      assert.ok(instance.tryPublish(envelope("later", { delayMs: 60_000 }), envelope("now")));
      await inbox.has(["now"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("later"), 0);
    },
  },
]);
