import assert from "node:assert/strict";
import type { Envelope } from "@busbar/core/provider";
import { ACK, consumer, dead, envelope, RELEASE, retry } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, can, durable, has } from "../requirements.ts";

const BY_KEY = { ordering: "key" } as const;
const BLOCK = { ordering: "key", onOrderedFailure: "block" } as const;

/** `a1` has the key `a`, and so on. */
function keyed(...ids: readonly string[]): readonly Envelope[] {
  return ids.map((id) => envelope(id, { orderingKey: id.charAt(0) }));
}

/** Ids of one key, in the order in which they came. */
function ofKey(ids: readonly string[], key: string): readonly string[] {
  return ids.filter((id) => id.startsWith(key));
}

export const ordering: readonly ConformanceCase[] = defineCases("ordering", [
  {
    id: "by-key",
    name: "a thousand events of sixteen keys reach two consumers in the order of each key",
    promise:
      "guarantee: events with one orderingKey are handled one after the other, in their order",
    when: can("ordering"),
    limitMs: () => 30_000,
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const [started, running] = [[] as string[], new Map<string, number>()];
      let together = 0;
      const handle = async ({ id }: { readonly id: string }) => {
        started.push(id);
        const key = id.slice(0, id.indexOf("-"));
        const inHand = (running.get(key) ?? 0) + 1;
        running.set(key, inHand);
        together = Math.max(together, inHand);
        await new Promise((resolve) => setImmediate(resolve));
        running.set(key, inHand - 1);
        return ACK;
      };
      const both = [
        await instance.consume(consumer("mail", BY_KEY), handle),
        await peer.consume(consumer("mail", BY_KEY), handle),
      ];
      const sent = Array.from({ length: 1_000 }, (_, index) => {
        const key = `key${index % 16}`;
        return envelope(`${key}-${index}`, { orderingKey: key });
      });
      for (let from = 0; from < sent.length; from += 50) {
        await instance.publish(...sent.slice(from, from + 50));
      }
      await context.waiting.until(
        () => `1000 ordered events (there were ${started.length})`,
        () => started.length >= 1_000,
      );
      for (const inbox of both) await inbox.idle();
      assert.equal(together, 1, "one at a time of each key");
      for (let key = 0; key < 16; key++) {
        const ids = (list: readonly string[]) => list.filter((id) => id.startsWith(`key${key}-`));
        assert.deepEqual(ids(started), ids(sent.map(({ id }) => id)));
      }
    },
  },
  {
    id: "all",
    name: "a subscription that keeps all in order gets one event after the other",
    promise: "guarantee: with ordering all, everything is one key",
    when: can("ordering"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { ordering: "all" }), async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return ACK;
      });
      const ids = Array.from({ length: 60 }, (_, index) => `${index}`);
      for (const id of ids) await instance.publish(envelope(id, { orderingKey: id }));
      await inbox.has(ids);
      assert.deepEqual(inbox.ids, ids);
      assert.equal(inbox.mostInHand, 1);
    },
  },
  {
    id: "across-retry",
    name: "a key waits for its event that is retried, and other keys flow",
    promise: "contract: ordering is honoured across retries",
    when: all(can("ordering"), can("retryDelay")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", BY_KEY), ({ id }, nth) =>
        id === "a1" && nth < 3 ? retry(60) : ACK,
      );
      await instance.publish(...keyed("a1", "a2", "b1", "a3", "b2"));
      await inbox.has(["b1", "b2"]);
      await inbox.has(["a3"]);
      assert.deepEqual(ofKey(inbox.ids, "a"), ["a1", "a1", "a1", "a2", "a3"]);
      assert.deepEqual(ofKey(inbox.ids, "b"), ["b1", "b2"]);
      assert.ok(inbox.ids.indexOf("b2") < inbox.ids.lastIndexOf("a1"), "b did not wait for a");
    },
  },
  {
    id: "across-crash",
    name: "a key keeps its order across crashes and releases",
    promise:
      "guarantee: events with one orderingKey are handled one after the other, in their order",
    when: can("ordering"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", BY_KEY), (handover, nth) => {
        const { id } = handover;
        if (id === "a1" && nth === 1) handover.crash();
        else handover.settle(id === "a2" && nth === 1 ? RELEASE : ACK);
        return handover.settled;
      });
      await instance.publish(...keyed("a1", "a2", "a3"));
      await inbox.has(["a3"]);
      assert.deepEqual(inbox.ids, ["a1", "a1", "a2", "a2", "a3"]);
    },
  },
  {
    id: "park",
    name: "with park, a key goes on after its event that is dead",
    promise: "guarantee: with onOrderedFailure park, a key goes on after a dead event",
    when: all(can("ordering"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", BY_KEY), ({ id }) =>
        id === "a1" ? dead() : ACK,
      );
      await instance.publish(...keyed("a1", "a2", "a3"));
      await inbox.has(["a3"]);
      assert.deepEqual(inbox.ids, ["a1", "a2", "a3"]);
      await instance.hasDead("mail", 1);
    },
  },
  {
    id: "park-replay",
    name: "with park, a dead event that is replayed goes behind those of its key that wait",
    promise: "contract: ProviderAdmin.replayDead",
    when: all(can("ordering"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", BY_KEY), (handover, nth) => {
        if (handover.id === "a1" && nth === 1) return dead();
        return handover.id === "a2" ? handover.settled : ACK;
      });
      await instance.publish(...keyed("a1", "a2", "a3"));
      const [letter] = await instance.hasDead("mail", 1);
      await inbox.holds(1);
      await instance.admin.replayDead("mail", [letter?.id ?? ""]);
      inbox.settleAll();
      await inbox.received(4);
      assert.deepEqual(inbox.ids, ["a1", "a2", "a3", "a1"]);
    },
  },
  {
    id: "block-replay",
    name: "with block, a key waits until its dead event is replayed, which then goes first",
    promise:
      "guarantee: with onOrderedFailure block, a key waits until its dead event is replayed or discarded",
    when: all(can("ordering"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", BLOCK), ({ id }, nth) =>
        id === "a1" && nth === 1 ? dead() : ACK,
      );
      await instance.publish(...keyed("a1", "a2", "a3"));
      const [letter] = await instance.hasDead("mail", 1);
      await instance.publish(...keyed("b1", "b2"));
      await inbox.has(["b1", "b2"]);
      await instance.silence();
      assert.deepEqual(ofKey(inbox.ids, "a"), ["a1"]);
      await instance.admin.replayDead("mail", [letter?.id ?? ""]);
      await inbox.has(["a3"]);
      assert.deepEqual(ofKey(inbox.ids, "a"), ["a1", "a1", "a2", "a3"]);
    },
  },
  {
    id: "block-discard",
    name: "with block, a key goes on when its dead event is discarded",
    promise:
      "guarantee: with onOrderedFailure block, a key waits until its dead event is replayed or discarded",
    when: all(can("ordering"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", BLOCK), ({ id }) =>
        id === "a1" ? dead() : ACK,
      );
      await instance.publish(...keyed("a1", "a2"));
      const [letter] = await instance.hasDead("mail", 1);
      await instance.publish(...keyed("b1"));
      await inbox.has(["b1"]);
      assert.equal(inbox.times("a2"), 0);
      await instance.admin.discardDead("mail", [letter?.id ?? ""]);
      await inbox.has(["a2"]);
    },
  },
  {
    id: "without-key",
    name: "events without a key wait for nobody",
    promise: "guarantee: only events with the same orderingKey wait for each other",
    when: can("ordering"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", BY_KEY), "hold");
      await instance.publish(...keyed("a1", "a2"), envelope("1"), envelope("2"), envelope("3"));
      await inbox.holds(4);
      await instance.silence();
      assert.deepEqual(inbox.ids.toSorted(), ["1", "2", "3", "a1"]);
      inbox.settleAll();
      await inbox.has(["a2"]);
      inbox.settleAll();
    },
  },
  {
    id: "none",
    name: "a subscription that asks for no order handles a key's events at the same time",
    promise: "guarantee: by default there is no order",
    when: can("ordering"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), "hold");
      await instance.publish(...keyed("a1", "a2", "a3"));
      await inbox.holds(3);
      inbox.settleAll();
    },
  },
  {
    id: "after-close",
    name: "a key keeps its order when its consumer closes and another goes on",
    promise:
      "guarantee: events with one orderingKey are handled one after the other, in their order",
    when: can("ordering"),
    limitMs: ({ redeliverAfterMs }) => 10_000 + 2 * redeliverAfterMs,
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const first = await instance.consume(consumer("mail", BY_KEY), "hold");
      await instance.publish(...keyed("a1", "a2", "a3"));
      await first.holds(1);
      await first.close(0);
      const next = await peer.consume(consumer("mail", BY_KEY));
      await next.has(["a3"]);
      assert.deepEqual(next.ids, ["a1", "a2", "a3"]);
    },
  },
  {
    id: "two-instances",
    name: "a key is handled by one instance at a time",
    promise:
      "guarantee: events with one orderingKey are handled one after the other, in their order",
    when: all(can("ordering"), durable),
    limitMs: () => 20_000,
    async run(context) {
      const [one, other] = [await context.start(), await context.start()];
      const inHand = new Set<string>();
      const order: string[] = [];
      const handle = async ({ id }: { readonly id: string }) => {
        assert.equal(inHand.has(id.charAt(0)), false, `key of ${id} is in flight already`);
        inHand.add(id.charAt(0));
        order.push(id);
        await new Promise((resolve) => setTimeout(resolve, 2));
        inHand.delete(id.charAt(0));
        return ACK;
      };
      await one.consume(consumer("mail", BY_KEY), handle);
      await other.consume(consumer("mail", BY_KEY), handle);
      const ids = Array.from({ length: 60 }, (_, index) => `${"abc".charAt(index % 3)}${index}`);
      for (const id of ids) await one.publish(...keyed(id));
      await context.waiting.until(
        () => `60 ordered events (there were ${order.length})`,
        () => order.length >= 60,
      );
      for (const key of "abc") assert.deepEqual(ofKey(order, key), ofKey(ids, key));
    },
  },
]);
