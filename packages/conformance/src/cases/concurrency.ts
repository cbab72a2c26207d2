import assert from "node:assert/strict";
import { ACK, consumer, envelope, envelopes } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Inbox } from "../inbox.ts";
import { adjusts } from "../requirements.ts";

export const concurrency: readonly ConformanceCase[] = defineCases("concurrency", [
  {
    id: "never-exceeded",
    name: "a consumer never has more in hand than its concurrency",
    promise: "contract: at most concurrency at a time",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 3 }), async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return ACK;
      });
      const ids = envelopes(200).map(({ id }) => id);
      await instance.publish(...envelopes(200));
      await inbox.has(ids);
      assert.ok(inbox.mostInHand <= 3, `${inbox.mostInHand} were in flight`);
    },
  },
  {
    id: "reached",
    name: "a consumer has as many in hand as its concurrency allows",
    promise: "contract: ConsumeSpec.concurrency",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 7 }), "hold");
      await instance.publish(...envelopes(20));
      await inbox.holds(7);
      await instance.silence();
      assert.equal(inbox.ids.length, 7);
      inbox.inHand[0]?.settle(ACK);
      await inbox.received(8);
      inbox.settleAll();
      await context.waiting.until("the rest", () => {
        inbox.settleAll();
        return inbox.ids.length >= 20;
      });
      inbox.settleAll();
    },
  },
  {
    id: "one-by-one",
    name: "with one slot, what is published in turn is handled in turn",
    promise: "contract: at most concurrency at a time",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return ACK;
      });
      const ids = envelopes(50).map(({ id }) => id);
      for (const it of envelopes(50)) await instance.publish(it);
      await inbox.has(ids);
      assert.equal(inbox.mostInHand, 1);
      assert.deepEqual(inbox.ids, ids);
    },
  },
  {
    id: "slow-neighbour",
    name: "a subscription whose handlers hang leaves another as fast as it was",
    promise: "guarantee: one slow subscription never delays another",
    async run(context) {
      const instance = await context.start();
      const slow = await instance.consume(consumer("slow", { concurrency: 5 }), "hold");
      const fast = await instance.consume(consumer("fast", { concurrency: 5 }));
      await instance.publish(...envelopes(5, "warm-up-"));
      await slow.holds(5);
      for (const it of envelopes(100)) await instance.publish(it);
      await fast.has(envelopes(100).map(({ id }) => id));
      const tookMs = fast.handovers
        .filter(({ id }) => id.startsWith("event-"))
        .map(({ at, delivery }) => at - delivery.envelope.metadata.published_at)
        .toSorted((a, b) => a - b);
      assert.ok((tookMs[98] ?? 0) < context.ms(2_000), `p99 was ${tookMs[98]} ms`);
      assert.equal(slow.ids.length, 5);
    },
  },
  {
    id: "many-publishers",
    name: "five thousand events of fifty publishers reach ten consumers, each once",
    promise: "guarantee: nothing is lost silently",
    limitMs: () => 40_000,
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const inboxes: Inbox[] = [];
      for (let index = 0; index < 10; index++) {
        inboxes.push(await (index % 2 ? peer : instance).consume(consumer("mail")));
      }
      const publisher = async (number: number): Promise<void> => {
        for (let index = 0; index < 10; index++) {
          await instance.publish(...envelopes(10, `${number}-${index}-`));
        }
      };
      await Promise.all(Array.from({ length: 50 }, (_, number) => publisher(number)));
      await context.waiting.until(
        () => `5000 deliveries (${inboxes.flatMap(({ ids }) => ids).length})`,
        () => inboxes.reduce((sum, { handovers }) => sum + handovers.length, 0) >= 5_000,
      );
      await instance.silence();
      const ids = inboxes.flatMap((inbox) => inbox.ids);
      assert.equal(ids.length, 5_000);
      assert.equal(new Set(ids).size, 5_000);
    },
  },
]);

export const backPressure: readonly ConformanceCase[] = defineCases("back-pressure", [
  {
    id: "waits",
    name: "a publish waits for room, and goes on when there is some",
    promise: "guarantee: in memory, a publish waits for room",
    when: adjusts("maxPending"),
    async run(context) {
      const instance = await context.start({}, { maxPending: 2 });
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      await instance.publish(envelope("2"), envelope("3"));
      let accepted = false;
      const waiting = instance.publish(envelope("4")).then(() => (accepted = true));
      await instance.silence();
      assert.equal(accepted, false, "there is no room yet");
      inbox.settleAll();
      await waiting;
      for (const id of ["2", "3", "4"]) {
        await inbox.has([id]);
        inbox.settleAll();
      }
    },
  },
  {
    id: "deadline",
    name: "a publish that finds no room until its deadline is rejected as overloaded",
    promise: "contract: overloaded means no room in memory until the deadline",
    when: adjusts("maxPending"),
    async run(context) {
      const instance = await context.start({}, { maxPending: 1 });
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      await instance.publish(envelope("2"));
      const deadline = performance.now() + 100;
      const [result] = await instance.answers([envelope("3")], { deadline });
      assert.equal(result?.status === "rejected" && result.code, "overloaded");
      assert.ok(performance.now() >= deadline - 3, "not before its deadline");
      inbox.settleAll();
      await inbox.has(["2"]);
      inbox.settleAll();
      await instance.silence();
      assert.equal(inbox.times("3"), 0, "what is rejected is not delivered");
    },
  },
  {
    id: "in-handler",
    name: "a publish inside a handler is never made to wait",
    promise: "guarantee: an emit inside a handler is never made to wait",
    when: adjusts("maxPending"),
    async run(context) {
      const instance = await context.start({}, { maxPending: 1 });
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      await instance.publish(envelope("2"));
      const [result] = await instance.answers([envelope("3")], { inHandler: true });
      assert.equal(result?.status, "accepted");
      for (const id of ["1", "2", "3"]) {
        await inbox.has([id]);
        inbox.settleAll();
      }
    },
  },
  {
    id: "per-subscription",
    name: "a full subscription holds up no event of another",
    promise: "guarantee: maxPending is the bound of one subscription",
    when: adjusts("maxPending"),
    async run(context) {
      const instance = await context.start({}, { maxPending: 1 });
      const full = await instance.consume(
        consumer("full", { concurrency: 1, events: ["full"] }),
        "hold",
      );
      const free = await instance.consume(consumer("free", { events: ["free"] }));
      await instance.publish(envelope("1", { name: "full" }));
      await full.holds(1);
      await instance.publish(envelope("2", { name: "full" }));
      const waiting = instance.publish(envelope("3", { name: "full" }));
      await instance.publish(envelope("4", { name: "free" }));
      await free.has(["4"]);
      full.settleAll();
      await waiting;
    },
  },
]);
