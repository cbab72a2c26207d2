import assert from "node:assert/strict";
import type { Envelope, PublishResult } from "@busbar/core/provider";
import { consumer, envelope, subscription } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { CallersTransaction } from "../harness.ts";
import type { Instance } from "../instance.ts";
import { all, can, has } from "../requirements.ts";
import { RunRecorder } from "../run-recorder.ts";

const RULE = "contract: TransactionalPublishing.publish";
const transactional = has("transactions");
/** Milliseconds that a publish within a transaction may take. */
const PUBLISH_MS = 10_000;

export const transactions: readonly ConformanceCase[] = defineCases("transactions", [
  {
    id: "commit",
    name: "what a transaction publishes is delivered once it commits, and not before",
    promise: RULE,
    when: transactional,
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      const stock = await instance.consume(consumer("stock", { events: ["order.*"] }));
      const caller = await begin(context);
      const first = await publish(instance, caller, envelope("1"), envelope("2"));
      assert.deepEqual(first, Array(2).fill({ status: "accepted", subscriptions: 2 }));
      await publish(instance, caller, envelope("3", { name: "other" }));
      await publish(instance, caller, envelope("4"));
      await instance.nothingMore(mail);
      assert.deepEqual(unmarked(mail.ids), [], "the transaction is open");
      await caller.commit();
      await mail.has(["1", "2", "4"]);
      await stock.has(["1", "2", "4"]);
      await instance.nothingMore(mail);
      await instance.nothingMore(stock);
      for (const { ids } of [mail, stock])
        assert.deepEqual(unmarked(ids).toSorted(), ["1", "2", "4"]);
    },
  },
  {
    id: "rollback",
    name: "what a transaction publishes is gone when it rolls back, and its deduplication ids are free",
    promise: RULE,
    when: transactional,
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      const caller = await begin(context);
      const deduplicationId = context.capabilities.deduplication ? "once" : undefined;
      const event = envelope("1", { deduplicationId });
      await publish(instance, caller, event, envelope("2", { delayMs: 0 }));
      await caller.rollback();
      await instance.nothingMore(mail);
      assert.deepEqual(unmarked(mail.ids), []);
      const [again] = await instance.publish(event);
      assert.equal(again?.status, "accepted");
      await mail.has(["1"]);
    },
  },
  {
    id: "ended",
    name: "a publish in a transaction that has ended rejects with a TypeError, and publishes nothing",
    promise: RULE,
    when: transactional,
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      const [committed, rolledBack] = [await begin(context), await begin(context)];
      await committed.commit();
      await rolledBack.rollback();
      for (const caller of [committed, rolledBack]) {
        await assert.rejects(publish(instance, caller, envelope("late")), TypeError);
      }
      await instance.nothingMore(mail);
      assert.deepEqual(unmarked(mail.ids), []);
    },
  },
  {
    id: "refused",
    name: "a transaction goes on after an event in it was refused",
    promise: RULE,
    when: all(transactional, can("targets")),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail"));
      const caller = await begin(context);
      await publish(instance, caller, envelope("1"));
      const [refused] = await publish(instance, caller, envelope("2", { to: ["nobody"] }));
      assert.equal(refused?.status, "rejected");
      await publish(instance, caller, envelope("3"));
      await caller.commit();
      await mail.has(["1", "3"]);
      await instance.nothingMore(mail);
      assert.deepEqual(unmarked(mail.ids).toSorted(), ["1", "3"]);
    },
  },
  {
    id: "open",
    name: "a transaction that stays open holds up neither publishes nor declarations of others",
    promise: RULE,
    when: all(transactional, has("subscriptions")),
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const mail = await instance.consume(consumer("mail", ordered(context)));
      const caller = await begin(context);
      const orderingKey = "customer";
      await publish(instance, caller, envelope("open", { orderingKey }));
      await instance.publish(envelope("1", { orderingKey }));
      await peer.publish(envelope("2", { orderingKey }));
      await peer.declare(subscription("stock"), subscription("gone"));
      await peer.registry.retire("gone", { backlog: "discard" });
      const stock = await peer.consume(consumer("stock"));
      await instance.publish(envelope("3", { orderingKey }));
      await mail.has(["1", "2", "3"]);
      await stock.has(["3"]);
      await caller.commit();
      await mail.has(["open"]);
      await instance.nothingMore(mail);
      assert.deepEqual(unmarked(mail.ids).toSorted(), ["1", "2", "3", "open"]);
    },
  },
  {
    id: "same-keys",
    name: "two transactions publish the same keys, each in its own order, and both commit",
    promise: RULE,
    when: all(transactional, can("ordering")),
    async run(context) {
      const instance = await context.start();
      const mail = await instance.consume(consumer("mail", { ordering: "key" }));
      const [one, other] = [await begin(context), await begin(context)];
      const keyed = (id: string, orderingKey: string): Envelope => envelope(id, { orderingKey });
      await publish(instance, one, keyed("1", "a"));
      await publish(instance, other, keyed("2", "b"));
      await Promise.all([
        publish(instance, one, keyed("3", "b")),
        publish(instance, other, keyed("4", "a")),
      ]);
      await one.commit();
      await other.commit();
      await mail.has(["1", "2", "3", "4"]);
    },
  },
  {
    id: "groups",
    name: "an event that a transaction stages in a group is in it once it commits",
    promise: RULE,
    when: all(transactional, has("groups")),
    async run(context) {
      const instance = await context.start();
      const { groups } = instance.provider;
      assert.ok(groups);
      const [kept, dropped] = [await begin(context), await begin(context)];
      for (const [caller, id] of [
        [kept, "kept"],
        [dropped, "dropped"],
      ] as const) {
        const { transaction } = caller;
        await groups.stage("group", [{ envelope: envelope(id) }], { transaction });
      }
      assert.deepEqual(await groups.list(), []);
      await kept.commit();
      await dropped.rollback();
      await groups.mark("group");
      const claim = await groups.claim({ eventGroupId: "group", leaseMs: context.ms(10_000) });
      assert.deepEqual(
        claim?.events.map((it) => it.envelope.id),
        ["kept"],
      );
    },
  },
  {
    id: "bus",
    name: "an emit of a bus within a transaction has its fate",
    promise: "guarantee: withTransaction(tx).emit publishes if the transaction commits",
    when: transactional,
    async run(context) {
      const bus = await context.bus();
      const recorder = new RunRecorder(context);
      bus.subscribe("order.placed", recorder.subscriber(), { subscriberId: "mail" });
      await bus.start();
      const [kept, dropped] = [await begin(context), await begin(context)];
      const [id] = await bus.withTransaction(kept.transaction).emit("order.placed", 1);
      await bus.withTransaction(dropped.transaction).emit("order.placed", 2);
      await dropped.rollback();
      await kept.commit();
      await recorder.ran(1);
      await bus.emit("order.placed", 3);
      await recorder.ran(2);
      assert.equal(recorder.runs[0]?.event.id, id);
      assert.deepEqual(recorder.data, [1, 3]);
    },
  },
]);

async function begin(context: CaseContext): Promise<CallersTransaction> {
  const caller = await context.harness.beginTransaction?.();
  assert.ok(caller, "the harness of a provider with transactions can begin one");
  let isOpen = true;
  const ending = (end: () => Promise<void>) => async (): Promise<void> => {
    isOpen = false;
    await end();
  };
  // One that a failed case leaves open would hold up the others.
  context.onEnd(async () => {
    if (isOpen) await caller.rollback();
  });
  return {
    transaction: caller.transaction,
    commit: ending(() => caller.commit()),
    rollback: ending(() => caller.rollback()),
  };
}

async function publish(
  instance: Instance,
  { transaction }: CallersTransaction,
  ...batch: readonly Envelope[]
): Promise<readonly PublishResult[]> {
  const { transactions: part } = instance.provider;
  assert.ok(part, "the provider publishes within transactions");
  const deadline = performance.now() + PUBLISH_MS;
  const results = await part.publish(transaction, batch, { deadline, inHandler: false });
  assert.equal(results.length, batch.length, "publish answers once per envelope");
  return results;
}

/** A policy by which events of a key wait for each other, where the provider has it. */
function ordered(context: CaseContext): { readonly ordering: "key" | "none" } {
  return { ordering: context.capabilities.ordering ? "key" : "none" };
}

function unmarked(ids: readonly string[]): readonly string[] {
  return ids.filter((id) => !id.startsWith("marker-"));
}
