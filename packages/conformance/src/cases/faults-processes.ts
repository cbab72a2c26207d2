import assert from "node:assert/strict";
import type { DeadDelivery, ProviderCapabilities } from "@busbar/core/provider";
import { ACK, consumer, envelope, envelopes, EVENT, subscription } from "../builders.ts";
import type { ChildProcess } from "../child/child-process.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { type Fate, fateOf, settleByFate } from "../fates.ts";
import { durable } from "../requirements.ts";

/** For a case in which that many processes die one after the other. */
function deaths(count: number) {
  return ({ redeliverAfterMs }: ProviderCapabilities): number =>
    20_000 + count * (2 * redeliverAfterMs + 5_000);
}

export const processFaults: readonly ConformanceCase[] = defineCases("faults", [
  {
    id: "kill-worker",
    name: "what a worker had in hand when it was killed comes again in time, and nothing else does",
    promise: "guarantee: a crash repeats only what had not been recorded as settled",
    when: durable,
    limitMs: deaths(1),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const worker = await context.child();
      const held = envelopes(20, "held-").map(({ id }) => id);
      await worker.consume(consumer("mail", { concurrency: 40 }), held);
      await instance.publish(...envelopes(20, "held-"), ...envelopes(20, "done-"));
      await worker.received(40);
      await instance.hasStats("mail", { ready: 0, delayed: 0, inFlight: 20 });
      const inbox = await instance.consume(consumer("mail", { concurrency: 40 }));
      const from = performance.now();
      await worker.kill();
      await inbox.has(held);
      const { redeliverAfterMs } = context.capabilities;
      const tookMs = Math.round(performance.now() - from);
      const limitMs = redeliverAfterMs + context.ms(2_000);
      assert.ok(
        tookMs <= limitMs,
        `redelivered after ${tookMs} ms, promised ${redeliverAfterMs} ms`,
      );
      await instance.nothingMore(inbox);
      assert.deepEqual(
        inbox.ids.filter((id) => id.startsWith("done-")),
        [],
      );
      assert.equal(inbox.ids.length, 21, "each once, and the marker");
      for (const id of held) {
        const { crashes } = inbox.last(id).delivery;
        assert.ok(crashes <= 1, "one death is counted once, or not: it may have been any of them");
      }
    },
  },
  {
    id: "five-crashes",
    name: "what kills its process five times is declared dead by the bus, as crashed",
    promise: "bus: beyond maxCrashes the delivery is dead with reason crashed",
    when: durable,
    limitMs: deaths(6),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      await instance.publish(envelope("poison"));
      for (let crashes = 0; crashes < 5; crashes++) {
        const worker = await context.child();
        await worker.consume(consumer("mail"), "all");
        await worker.received(1);
        assert.equal(worker.delivered[0]?.crashes, crashes);
        await worker.kill();
      }
      const bus = await context.bus({ maxCrashes: 4 });
      let runs = 0;
      bus.subscribe(EVENT, () => void runs++, { subscriberId: "mail" });
      await bus.start();
      const [letter] = await instance.hasDead("mail", 1);
      assert.equal(letter?.reason, "crashed");
      assert.equal(letter.envelope.id, "poison");
      assert.equal(runs, 0);
    },
  },
  {
    id: "poison",
    name: "an event that kills its worker every time is dead as crashed, and its batch neither dead nor lost",
    promise: "bus: beyond maxCrashes the delivery is dead with reason crashed, and only that",
    when: durable,
    limitMs: deaths(5),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const emitter = await context.bus();
      await emitter.start();
      const others = envelopes(99).map(({ id }) => id);
      const ids = others.toSpliced(10, 0, "poison");
      await emitter.emit(ids.map((id) => ({ id, name: EVENT, data: id })));

      const maxCrashes = 2;
      // Those next to the poison end, and are recorded, long before it kills; some have not begun.
      const work = { busyMs: 20, poison: "poison", killsAfterMs: 300, concurrency: 5, maxCrashes };
      const workers: ChildProcess[] = [];
      let letters: readonly DeadDelivery[] = [];
      while (letters.length === 0) {
        assert.ok(workers.length < maxCrashes + 3, "the poison dies in the end");
        const worker = await context.worker({ ...work, subscriptionId: "mail", event: EVENT });
        workers.push(worker);
        await context.waiting.eventually("a worker to be killed, or a dead letter", async () => {
          letters = await instance.dead("mail");
          return letters.length > 0 || worker.exitCode !== undefined;
        });
      }
      await instance.hasStats("mail", { ready: 0, delayed: 0, inFlight: 0 });
      letters = await instance.dead("mail");
      assert.deepEqual(
        letters.map(({ envelope: { id }, reason }) => [id, reason]),
        [["poison", "crashed"]],
        "the poison is dead, and nothing else",
      );
      const handled = (): readonly string[] => workers.flatMap((worker) => worker.handled);
      const lost = (): readonly string[] => others.filter((id) => !handled().includes(id));
      await context.waiting.until(
        () => `the others of the batch (lost ${lost().join(", ")})`,
        () => lost().length === 0,
      );
      const killed = workers.filter(({ exitCode }) => exitCode !== undefined).length;
      assert.ok(killed > maxCrashes, `it has killed ${killed} workers, and maxCrashes is 2`);
      assert.ok(!handled().includes("poison"));
      const repeated = handled().length - others.length;
      context.report(
        `100 events, of which one has killed ${killed} workers: lost 0, dead 1, repeated ${repeated}`,
      );
    },
  },
  {
    id: "kill-emitter",
    name: "all that an emitter saw accepted before it was killed is delivered, to all or to none",
    promise: "contract: publish resolves only when envelopes are safe; fan-out is one atomic step",
    when: durable,
    limitMs: () => 40_000,
    async run(context) {
      const instance = await context.start();
      const inboxes = [];
      for (const id of ["mail", "stock", "audit"]) {
        inboxes.push(await instance.consume(consumer(id, { concurrency: 50 })));
      }
      const emitter = await context.child();
      emitter.emitForever(EVENT, "round-", 7);
      await emitter.hasEmitted(500);
      await emitter.kill();
      for (const inbox of inboxes) await inbox.has(emitter.accepted);
      for (const inbox of inboxes) await instance.nothingMore(inbox);
      const [first, ...others] = inboxes.map(({ ids }) => {
        return new Set(ids.filter((id) => id.startsWith("round-")));
      });
      for (const other of others) assert.deepEqual(other, first, "all subscriptions have the same");
    },
  },
  {
    id: "kill-settling",
    name: "retries and dead letters of a worker that is killed are neither lost nor doubled",
    promise: "guarantee: a retry or a dead letter moves in the transaction that marks it",
    when: durable,
    limitMs: deaths(3),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const sent = envelopes(600, "event-", (data) => ({ data }));
      const { maxBatch = sent.length } = context.capabilities;
      for (let from = 0; from < sent.length; from += maxBatch) {
        await instance.publish(...sent.slice(from, from + maxBatch));
      }
      const retried = new Set<string>();
      for (let kills = 0; kills < 2; kills++) {
        const worker = await context.child();
        await worker.consume(consumer("mail", { concurrency: 20 }), "fate");
        await worker.received(150);
        await worker.kill();
        for (const it of worker.delivered) if (it.retried) retried.add(it.id);
      }
      const inbox = await instance.consume(consumer("mail", { concurrency: 20 }), (handover) =>
        settleByFate(handover.delivery),
      );
      await instance.hasStats("mail", { ready: 0, delayed: 0, inFlight: 0 });
      const idsOf = (fate: Fate): readonly string[] =>
        sent.filter((it) => fateOf(Number(it.data)) === fate).map(({ id }) => id);
      const died = (await instance.dead("mail")).map((letter) => letter.envelope.id);
      assert.deepEqual(died.toSorted(), idsOf("dead").toSorted(), "each that dies dies once");
      const later = inbox.handovers.filter(({ delivery }) => delivery.state !== undefined);
      assert.equal(new Set(later.map(({ id }) => id)).size, later.length, "no retry is doubled");
      for (const { id } of later) retried.add(id);
      assert.deepEqual([...retried].toSorted(), idsOf("handled at the second attempt").toSorted());
    },
  },
  {
    id: "kill-idle",
    name: "a worker that is killed with nothing in hand takes nothing with it",
    promise: "guarantee: nothing is lost silently",
    when: durable,
    limitMs: deaths(1),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const worker = await context.child();
      await worker.consume(consumer("mail"), []);
      await worker.kill();
      const ids = envelopes(50).map(({ id }) => id);
      for (const it of envelopes(50)) await instance.publish(it);
      await inbox.has(ids);
    },
  },
  {
    id: "long-run",
    name: "a handler that works longer than redeliverAfterMs keeps its delivery",
    promise: "contract: redeliverAfterMs counts from the death of a process",
    when: durable,
    limitMs: ({ redeliverAfterMs }) => 15_000 + 2 * redeliverAfterMs,
    async run(context) {
      const [instance, other] = [await context.start(), await context.start()];
      const inbox = await instance.consume(consumer("mail"), "hold");
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      const idle = await other.consume(consumer("mail"));
      // Only time can show that a lease is renewed.
      const { redeliverAfterMs } = context.capabilities;
      await new Promise((resolve) => setTimeout(resolve, redeliverAfterMs * 1.5 + 100));
      assert.deepEqual([inbox.ids, idle.ids], [["1"], []]);
      inbox.last("1").settle(ACK);
      await instance.hasStats("mail", { ready: 0, delayed: 0, inFlight: 0, dead: 0 });
    },
  },
  {
    id: "kill-keeps-order",
    name: "a key keeps its order when the worker that had it is killed",
    promise:
      "guarantee: events with one orderingKey are handled one after the other, in their order",
    when: (subject) =>
      durable(subject) ??
      (subject.capabilities.ordering ? undefined : "the provider has no ordering"),
    limitMs: deaths(1),
    async run(context) {
      const instance = await context.start();
      const spec = consumer("mail", { ordering: "key" });
      await instance.declare(subscription("mail", { ordering: "key" }));
      const worker = await context.child();
      await worker.consume(spec, "all");
      const ids = ["1", "2", "3", "4"];
      await instance.publish(...ids.map((id) => envelope(id, { orderingKey: "key" })));
      await worker.received(1);
      await worker.kill();
      const inbox = await instance.consume(spec);
      await inbox.has(ids);
      assert.deepEqual(inbox.ids, ids);
    },
  },
]);
