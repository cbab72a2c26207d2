import assert from "node:assert/strict";
import { ACK, consumer, createGate, envelope, envelopes, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, has } from "../requirements.ts";

export const fanOut: readonly ConformanceCase[] = defineCases("fan-out", [
  {
    id: "two-subscriptions",
    name: "two subscriptions each get every event",
    promise: "contract: different subscriptions each get every envelope",
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      const stock = await instance.consume(consumer("stock"));
      const ids = envelopes(50).map(({ id }) => id);
      await instance.publish(...envelopes(50));
      for (const inbox of [mail, stock]) {
        await inbox.has(ids);
        await instance.nothingMore(inbox);
        assert.equal(new Set(inbox.ids).size, inbox.ids.length, "each once");
      }
    },
  },
  {
    id: "compete",
    name: "two consumers of one subscription share its events, each delivered once",
    promise: "contract: consumers of one subscription compete",
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const gate = createGate();
      const both = [
        await instance.consume(consumer("mail", { concurrency: 1 }), () =>
          gate.opened.then(() => ACK),
        ),
        await peer.consume(consumer("mail", { concurrency: 1 }), () => gate.opened.then(() => ACK)),
      ];
      const sent = envelopes(30);
      await instance.publish(...sent);
      // Neither has a slot for the event that the other has.
      for (const inbox of both) await inbox.holds(1);
      gate.open();
      await context.waiting.until("30 events, shared by two consumers", () => {
        return both.flatMap(({ ids }) => ids).length >= 30;
      });
      for (const inbox of both) await inbox.idle();
      await instance.silence();
      const ids = both.flatMap((inbox) => inbox.ids);
      assert.deepEqual(ids.toSorted(), sent.map(({ id }) => id).toSorted());
    },
  },
  {
    id: "mixed",
    name: "consumers that compete take nothing from another subscription",
    promise: "contract: compete within a subscription, copy between subscriptions",
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const [one, other] = [
        await instance.consume(consumer("mail")),
        await peer.consume(consumer("mail")),
      ];
      const stock = await peer.consume(consumer("stock"));
      const ids = envelopes(60).map(({ id }) => id);
      await instance.publish(...envelopes(60));
      await stock.has(ids);
      await context.waiting.until("60 events for two consumers", () => {
        return one.ids.length + other.ids.length >= 60;
      });
      await instance.silence();
      assert.deepEqual([...one.ids, ...other.ids].toSorted(), ids.toSorted());
    },
  },
  {
    id: "ten-by-hundred",
    name: "ten subscriptions each get a hundred events",
    promise: "contract: different subscriptions each get every envelope",
    limitMs: () => 20_000,
    async run(context) {
      const instance = await context.start();
      const inboxes = [];
      for (let index = 0; index < 10; index++) {
        inboxes.push(await instance.consume(consumer(`subscription-${index}`)));
      }
      const ids = envelopes(100).map(({ id }) => id);
      await instance.publish(...envelopes(100));
      for (const inbox of inboxes) {
        await inbox.has(ids);
        await inbox.idle();
        assert.equal(inbox.ids.length, 100);
      }
    },
  },
  {
    id: "atomic",
    name: "when publish resolves, an event is in the queues of all its subscriptions",
    promise: "contract: one event reaches the queues of all its subscriptions in one atomic step",
    when: all(has("subscriptions"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const ids = ["a", "b", "c", "d", "e"];
      await instance.declare(...ids.map((id) => subscription(id)));
      for (let count = 1; count <= 20; count++) {
        await instance.publish(envelope(`${count}`));
        // Numbers that lag behind cannot show one publish after the other.
        if (!context.numbers.areExact && count < 20) continue;
        await Promise.all(ids.map((id) => instance.showsStats(id, { ready: count })));
      }
    },
  },
  {
    id: "late-subscription",
    name: "a subscription gets nothing from before it was declared",
    promise: "contract: publish routes to the subscriptions that are declared",
    async run(context) {
      const instance = await context.start();
      const early = await instance.consume(consumer("early"));
      await instance.publish(envelope("before"));
      await early.has(["before"]);
      const late = await instance.consume(consumer("late"));
      await instance.publish(envelope("after"));
      await late.has(["after"]);
      await early.has(["after"]);
      await instance.nothingMore(late);
      assert.equal(late.times("before"), 0);
    },
  },
  {
    id: "own-settlement",
    name: "a subscription that fails repeats nothing in another",
    promise: "guarantee: one failing subscription never repeats another",
    async run(context) {
      const instance = await context.start();
      const failing = await instance.consume(consumer("failing"), (_, nth) =>
        nth < 4 ? { type: "retry", delayMs: 0, state: null } : ACK,
      );
      const fine = await instance.consume(consumer("fine"));
      await instance.publish(envelope("1"));
      await failing.received(4);
      await instance.nothingMore(fine);
      assert.equal(fine.times("1"), 1);
    },
  },
  {
    id: "without-consumer",
    name: "a subscription that nobody consumes keeps its events and holds up no other",
    promise: "guarantee: one slow subscription never delays another",
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("later"));
      const now = await instance.consume(consumer("now"));
      const ids = envelopes(20).map(({ id }) => id);
      await instance.publish(...envelopes(20));
      await now.has(ids);
      const later = await instance.consume(consumer("later"));
      await later.has(ids);
    },
  },
]);
