import assert from "node:assert/strict";
import { ACK, consumer, dead, envelope, envelopes, retry, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Inbox } from "../inbox.ts";
import type { Instance } from "../instance.ts";
import { all, can, cancels, durable } from "../requirements.ts";

const RULE = "contract: ProviderAdmin.cancel";

export const cancel: readonly ConformanceCase[] = defineCases("cancel", [
  {
    id: "delayed",
    name: "a delayed event is cancelled in every subscription, by another process, and once",
    promise: RULE,
    when: all(cancels, can("delay")),
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      await instance.declare(subscription("mail"), subscription("stock"));
      const delayMs = context.ms(60_000);
      await instance.publish(envelope("late", { delayMs }), envelope("kept", { delayMs }));
      assert.equal(await cancelled(peer, "late"), 2);
      assert.equal(await cancelled(instance, "late"), 0, "it is cancelled once");
      assert.equal(await cancelled(instance, "unknown"), 0);
      for (const id of ["mail", "stock"]) await instance.hasStats(id, { ready: 0, delayed: 1 });
    },
  },
  {
    id: "ready",
    name: "an event that is due and has not begun is cancelled, and its neighbours are delivered",
    promise: RULE,
    when: cancels,
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const mail = await instance.consume(consumer("mail", { concurrency: 1 }), holdsFirst());
      await instance.publish(envelope("running"));
      await mail.holds(1);
      // In one publish: a provider may keep them together.
      await instance.publish(...envelopes(4));
      assert.equal(await cancelled(peer, "event-2"), 1);
      assert.equal(await cancelled(peer, "event-4"), 1);
      mail.settleAll();
      await instance.nothingMore(mail);
      assert.deepEqual(withoutMarkers(mail), ["event-1", "event-3", "running"]);
      assert.equal(await cancelled(peer, "event-1"), 0, "it was handled");
    },
  },
  {
    id: "retrying",
    name: "an event that waits for a retry is cancelled",
    promise: RULE,
    when: all(cancels, can("retryDelay")),
    async run(context) {
      const instance = await context.start();
      const delayMs = context.ms(60_000);
      const mail = await instance.consume(consumer("mail"), ({ id }) =>
        id === "fails" ? retry(delayMs) : ACK,
      );
      await instance.publish(envelope("fails"));
      await instance.hasStats("mail", { inFlight: 0, delayed: 1 });
      assert.equal(await cancelled(instance, "fails"), 1);
      await instance.hasStats("mail", { ready: 0, delayed: 0, inFlight: 0 });
      await instance.nothingMore(mail);
      assert.equal(mail.times("fails"), 1);
    },
  },
  {
    id: "in-order",
    name: "the next event of an ordered key begins when the one before it is cancelled",
    promise: RULE,
    when: all(cancels, can("ordering"), can("retryDelay")),
    async run(context) {
      const instance = await context.start();
      const delayMs = context.ms(60_000);
      const mail = await instance.consume(consumer("mail", { ordering: "key" }), ({ id }) =>
        id === "1" ? retry(delayMs) : ACK,
      );
      const ids = ["1", "2", "3", "4"];
      await instance.publish(...ids.map((id) => envelope(id, { orderingKey: "key" })));
      await instance.hasStats("mail", { inFlight: 0, ready: 0, delayed: 4 });
      assert.equal(await cancelled(instance, "3"), 1, "one that is blocked");
      assert.deepEqual(mail.ids, ["1"]);
      assert.equal(await cancelled(instance, "1"), 1, "its first event");
      await mail.has(["2", "4"]);
      await instance.publish(envelope("5", { orderingKey: "key" }));
      await mail.has(["5"]);
      assert.deepEqual(mail.ids, ["1", "2", "4", "5"]);
    },
  },
  {
    id: "in-flight",
    name: "an event in flight is not cancelled: it goes on, and is retried",
    promise: "guarantee: deliveries in flight are not cancelled",
    when: cancels,
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"), "hold");
      await instance.publish(envelope("runs"));
      const [running] = await mail.holds(1);
      assert.equal(await cancelled(await context.peerOf(instance), "runs"), 0);
      running?.settle(retry(0));
      await mail.received(2);
      assert.deepEqual(mail.ids, ["runs", "runs"]);
      mail.settleAll();
      await mail.idle();
    },
  },
  {
    id: "dead-stay",
    name: "a dead letter stays when its event is cancelled",
    promise: RULE,
    when: cancels,
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("mail"), () => dead());
      await instance.publish(envelope("dies"));
      await instance.hasDead("mail", 1);
      assert.equal(await cancelled(instance, "dies"), 0);
      assert.equal((await instance.dead("mail")).length, 1);
    },
  },
  {
    id: "one-subscription",
    name: "an event is cancelled in one subscription, and the others get it",
    promise: RULE,
    when: cancels,
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("stock"));
      await instance.publish(...envelopes(2));
      assert.equal(await cancelled(instance, "event-1", "mail"), 1);
      assert.equal(await cancelled(instance, "event-1", "unknown"), 0);
      const [mail, stock] = [
        await instance.consume(consumer("mail")),
        await instance.consume(consumer("stock")),
      ];
      await stock.has(["event-1", "event-2"]);
      await instance.nothingMore(mail);
      assert.deepEqual(withoutMarkers(mail), ["event-2"]);
    },
  },
  {
    id: "deduplication",
    name: "the deduplicationId of a cancelled event may be used again",
    promise: RULE,
    when: all(cancels, can("deduplication")),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("stock"));
      await instance.publish(envelope("1", { deduplicationId: "d" }));
      assert.equal(await cancelled(instance, "1", "mail"), 1);
      const again = await instance.publish(envelope("2", { deduplicationId: "d" }));
      assert.deepEqual(again, [{ status: "accepted", subscriptions: 1 }], "of this subscription");
      const mail = await instance.consume(consumer("mail"));
      await mail.has(["2"]);
    },
  },
  {
    id: "killed-processes",
    name: "a process cancels events of an emitter that was killed, and what a killed worker had not begun",
    promise: RULE,
    when: all(cancels, durable),
    limitMs: ({ redeliverAfterMs }) => 20_000 + 2 * redeliverAfterMs,
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const child = await context.child();
      await child.consume(consumer("mail", { concurrency: 1 }), "all");
      await instance.publish(envelope("runs"));
      await child.received(1);
      await instance.publish(...envelopes(2));
      child.emitForever("order.placed", "child-", 5);
      await child.hasEmitted(5);
      assert.equal(await cancelled(instance, "runs"), 0, "the worker has begun it");
      assert.equal(await cancelled(instance, "event-1"), 1, "and not begun this");
      await child.kill();
      for (const id of child.accepted) assert.equal(await cancelled(instance, id), 1);
      const mail = await instance.consume(consumer("mail"));
      await mail.has(["event-2", "runs"]);
      const unwanted = new Set(["event-1", ...child.accepted]);
      assert.deepEqual(
        mail.ids.filter((id) => unwanted.has(id)),
        [],
      );
    },
  },
]);

async function cancelled(
  { admin }: Instance,
  eventId: string,
  subscriptionId?: string,
): Promise<number | undefined> {
  return admin.cancel?.(eventId, { subscriptionId });
}

/** Holds what comes first, and acknowledges the rest. */
function holdsFirst(): (handover: Inbox["handovers"][number]) => Promise<typeof ACK> {
  let isFirst = true;
  return async (handover) => {
    if (isFirst) {
      isFirst = false;
      await handover.settled;
    }
    return ACK;
  };
}

/** What was delivered, without the order in which that happened. */
function withoutMarkers(inbox: Inbox): readonly string[] {
  return inbox.ids.filter((id) => !id.startsWith("marker-")).toSorted();
}
