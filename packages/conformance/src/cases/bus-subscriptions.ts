import assert from "node:assert/strict";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled } from "../run-recorder.ts";
import { all, has } from "../requirements.ts";

export const busSubscriptions: readonly ConformanceCase[] = defineCases("bus", [
  {
    id: "subscribe-late",
    name: "an emit that follows a subscribe waits until the provider knows of it",
    promise: "contract: an emit that follows waits until the provider knows the subscription",
    async run(context) {
      const bus = await context.bus();
      await bus.start();
      const seen = new RunRecorder(context);
      for (let index = 0; index < 10; index++) {
        bus.subscribe(`late.${index}`, seen.subscriber(), { subscriberId: `late-${index}` });
        await bus.emit(`late.${index}`, index);
      }
      await seen.ran(10);
    },
  },
  {
    id: "unsubscribe",
    name: "after unsubscribe nothing is handled here, and after subscribe again new events are",
    promise: "bus: unsubscribe ends a subscription in this process",
    async run(context) {
      const bus = await context.bus();
      const [seen, marker] = [new RunRecorder(context), new RunRecorder(context)];
      const handler = seen.subscriber();
      bus.subscribe("a", handler, { subscriberId: "mail" });
      bus.subscribe("a", marker.subscriber(), { subscriberId: "marker" });
      await bus.start();
      await bus.emit("a", "before");
      await seen.ran(1);
      bus.unsubscribe("a", handler, { subscriberId: "mail" });
      await bus.emit("a", "between");
      await marker.ran(2);
      await new Promise((resolve) => setTimeout(resolve, context.quietMs));
      assert.deepEqual(seen.data, ["before"]);
      bus.subscribe("a", handler, { subscriberId: "mail" });
      await bus.emit("a", "after");
      await context.waiting.until("an event after subscribe", () => seen.data.includes("after"));
      // Where others might have gone on with it, what came between has waited for them. A provider
      // without a list is not told that a subscription has ended, and may do either.
      if (!context.subject.parts.includes("subscriptions")) return;
      assert.equal(seen.data.includes("between"), context.capabilities.durable);
    },
  },
  {
    id: "anonymous",
    name: "anonymous subscribers of one event are one subscription, and run again together",
    promise: "bus: subscribers of one event without a subscriberId are one subscription",
    async run(context) {
      const bus = await context.bus();
      const [one, other] = [new RunRecorder(context), new RunRecorder(context)];
      bus.subscribe("a", one.subscriber());
      const failsFirst = other.subscriber((_, { attempt }) => {
        if (attempt === 1) throw new Error("no");
      });
      bus.subscribe("a", failsFirst);
      await bus.start();
      await bus.emit("a", 1, { attempts: 2 });
      await settled(context, bus);
      const attempts = (recorder: RunRecorder) => recorder.runs.map(({ attempt }) => attempt);
      assert.deepEqual(
        [attempts(one), attempts(other)],
        [
          [1, 2],
          [1, 2],
        ],
      );
      const { subscriptions } = await bus.inspect();
      assert.deepEqual(
        subscriptions.map((it) => [it.subscriberId, it.ready, it.dead]),
        [["a#anonymous", 0, 0]],
      );
    },
  },
  {
    id: "pause",
    name: "while a subscription is paused its events wait, and resume brings them",
    promise: "bus: pause holds the events of a subscription back until resume",
    async run(context) {
      const bus = await context.bus();
      const [seen, other] = [new RunRecorder(context), new RunRecorder(context)];
      bus.subscribe("a", seen.subscriber(), { subscriberId: "paused" });
      bus.subscribe("a", other.subscriber(), { subscriberId: "other" });
      await bus.start();
      await bus.pause("paused");
      for (let index = 0; index < 10; index++) await bus.emit("a", index);
      await other.ran(10);
      await new Promise((resolve) => setTimeout(resolve, context.quietMs));
      assert.equal(seen.runs.length, 0);
      await bus.resume("paused");
      await seen.ran(10);
      await settled(context, bus);
      assert.equal(seen.runs.length, 10);
    },
  },
  {
    id: "retire",
    name: "a retired subscription gets nothing more, and what waited is a dead letter",
    promise: "guarantee: retire ends a subscription",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await bus.pause("mail");
      await bus.emit([1, 2].map((data) => ({ name: "a", data })));
      assert.equal(await bus.retire("mail"), 2);
      await bus.emit("a", 3);
      assert.equal((await bus.inspect()).counters.unrouted, 1);
      const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
      assert.deepEqual(
        items.map(({ reason }) => reason),
        ["retired", "retired"],
      );
      await assert.rejects(bus.retire("mail"), { code: "BUSBAR_NOT_FOUND" });
      assert.equal(seen.runs.length, 0);
    },
  },
  {
    id: "dead-letters-of",
    name: "dead letters of a retired subscription can be dealt with, and those of one that nobody knows are not found",
    promise: "bus: dead letters can be listed, replayed and discarded",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const bus = await context.bus();
      bus.subscribe("a", () => {}, { subscriberId: "idle" });
      bus.subscribe("a", () => Promise.reject(new Error("no")), { subscriberId: "mail" });
      await bus.start();
      await bus.emit([1, 2].map((data) => ({ name: "a", data })));
      await context.waiting.eventually("2 dead letters", async () => {
        return (await bus.deadLetters.list({ subscriberId: "mail" })).items.length === 2;
      });
      await bus.retire("mail");
      const { items } = await bus.deadLetters.list({ subscriberId: "mail" });
      assert.equal(items.length, 2, "retiring deletes no dead letter");
      assert.equal(await bus.deadLetters.discard("mail"), 2);
      assert.deepEqual((await bus.deadLetters.list({ subscriberId: "idle" })).items, []);
      assert.equal(await bus.deadLetters.replay("idle"), 0);
      assert.equal(await bus.deadLetters.discard("idle"), 0);
      const notFound = { code: "BUSBAR_NOT_FOUND" };
      for (const id of ["mail", "unknown"]) {
        await assert.rejects(bus.deadLetters.list({ subscriberId: id }), notFound);
        await assert.rejects(bus.deadLetters.replay(id), notFound);
        await assert.rejects(bus.deadLetters.discard(id), notFound);
      }
    },
  },
  {
    id: "inspect",
    name: "inspect shows every subscription with its backlog and dead letters",
    promise: "bus: inspect shows every subscription with its numbers",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      bus.subscribe("a", () => Promise.reject(new Error("no")), { subscriberId: "fails" });
      bus.subscribe(["a", "b"], () => {}, { subscriberId: "paused" });
      await bus.start();
      await bus.pause("paused");
      await bus.emit([1, 2, 3].map((data) => ({ name: "a", data })));
      await context.waiting.eventually("3 dead letters in inspect", async () => {
        const { subscriptions } = await bus.inspect();
        return subscriptions.some(({ dead }) => dead === 3);
      });
      const { subscriptions } = await bus.inspect();
      assert.deepEqual(
        subscriptions.map((it) => [it.subscriberId, it.events.length, it.dead]),
        [
          ["fails", 1, 3],
          ["paused", 2, 0],
        ],
      );
      await context.numbers.show("3 events wait in the paused subscription", async () => {
        const [fails, paused] = (await bus.inspect()).subscriptions;
        assert.ok(fails && paused);
        if (context.numbers.areExact) assert.ok(paused.oldestAt instanceof Date);
        const { numbers } = context;
        return numbers.match(fails, { ready: 0 }) && numbers.match(paused, { ready: 3 });
      });
    },
  },
  {
    id: "next",
    name: "next resolves with the next event from any process, and leaves no subscription behind",
    promise: "bus: next waits for one event",
    when: has("subscriptions"),
    async run(context) {
      const bus = await context.bus();
      const other = context.capabilities.durable ? await context.bus() : bus;
      await bus.start();
      if (other !== bus) await other.start();
      const [next, aborted] = [bus.next("order.*"), bus.next("order.*", aborts())];
      await assert.rejects(aborted, { name: "AbortError" });
      // It waits until the provider knows the subscription.
      await bus.emit("other", 1);
      await other.emit([2, 3].map((data) => ({ name: "order.placed", data })));
      assert.equal((await next).data, 2);
      const stopped = assert.rejects(bus.next("never"), { code: "BUSBAR_NOT_RUNNING" });
      await context.waiting.eventually("the first wait to be forgotten", async () => {
        const { subscriptions } = await other.inspect();
        return subscriptions.length <= 1;
      });
      await bus.stop();
      await stopped;
      if (other !== bus) assert.deepEqual((await other.inspect()).subscriptions, []);
    },
  },
  {
    id: "health",
    name: "health is up while the bus works, and down when it has stopped",
    promise: "bus: health says whether the bus works",
    async run(context) {
      const bus = await context.bus();
      await bus.start();
      assert.equal((await bus.health()).status, "up");
      await bus.stop();
      assert.equal((await bus.health()).status, "down");
    },
  },
]);

/** Options of a wait that ends at once. */
function aborts(): { readonly signal: AbortSignal } {
  const controller = new AbortController();
  queueMicrotask(() => controller.abort());
  return { signal: controller.signal };
}
