import assert from "node:assert/strict";
import { ACK, consumer, createGate, envelope, envelopes, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { durable, has } from "../requirements.ts";

export const basics: readonly ConformanceCase[] = defineCases("basics", [
  {
    id: "one",
    name: "an envelope that is published is delivered",
    promise: "guarantee: at least once, per subscription",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1"));
      await inbox.has(["1"]);
    },
  },
  {
    id: "first-delivery",
    name: "a first delivery has no state and no crashes",
    promise: "contract: Delivery.state is undefined at first, crashes counts hand-overs before",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1"));
      await inbox.has(["1"]);
      const { delivery } = inbox.last("1");
      assert.equal(delivery.state, undefined);
      assert.equal(delivery.crashes, 0);
    },
  },
  {
    id: "a-thousand",
    name: "a thousand events published one by one are delivered, each once",
    promise: "guarantee: nothing is lost silently",
    limitMs: () => 30_000,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const sent = envelopes(1_000);
      for (const it of sent) await instance.publish(it);
      await inbox.has(sent.map(({ id }) => id));
      await instance.nothingMore(inbox);
      assert.equal(inbox.handovers.length, sent.length + 1, "each once, and the marker");
    },
  },
  {
    id: "publish-first",
    name: "what is published before anyone consumes waits for its declared subscription",
    promise: "contract: publish routes to every declared subscription",
    when: has("subscriptions"),
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      await instance.publish(...envelopes(20));
      const inbox = await instance.consume(consumer("mail"));
      await inbox.has(envelopes(20).map(({ id }) => id));
    },
  },
  {
    id: "publish-elsewhere",
    name: "an instance that never consumes publishes to one that does",
    promise: "contract: publish comes also from a process that never consumes",
    when: durable,
    async run(context) {
      const [emitter, worker] = [await context.start(), await context.start()];
      const inbox = await worker.consume(consumer("mail"));
      await emitter.publish(...envelopes(20));
      await inbox.has(envelopes(20).map(({ id }) => id));
    },
  },
  {
    id: "unrouted",
    name: "an event that nobody wants is accepted, for 0 subscriptions",
    promise: "guarantee: events that no subscription wants are counted",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const [result] = await instance.publish(envelope("1", { name: "nobody.cares" }));
      assert.deepEqual(result, { status: "accepted", subscriptions: 0 });
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("1"), 0);
    },
  },
  {
    id: "counts-subscriptions",
    name: "publish says how many subscriptions an event goes to",
    promise: "contract: PublishResult.subscriptions",
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("mail"));
      await instance.consume(consumer("stock", { events: ["order.*"] }));
      await instance.consume(consumer("audit", { events: ["order.shipped", "order.returned"] }));
      const results = await instance.publish(
        envelope("1"),
        envelope("2", { name: "order.shipped" }),
        envelope("3", { name: "cart.emptied" }),
      );
      assert.deepEqual(
        results.map((result) => result.status === "accepted" && result.subscriptions),
        [2, 2, 0],
      );
    },
  },
  {
    id: "does-not-wait",
    name: "publish does not wait for handlers",
    promise: "contract: publish does not wait for delivery",
    async run(context) {
      const instance = await context.start();
      const gate = createGate();
      const inbox = await instance.consume(consumer("mail"), async () => {
        await gate.opened;
        return ACK;
      });
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      await instance.publish(envelope("2"));
      gate.open();
      await inbox.has(["1", "2"]);
    },
  },
  {
    id: "publish-in-handler",
    name: "a handler may publish to its own subscription",
    promise: "guarantee: an emit inside a handler is never made to wait",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), async ({ id }) => {
        if (id !== "3") {
          const next = envelope(String(Number(id) + 1));
          await instance.answers([next], { inHandler: true });
        }
        return ACK;
      });
      await instance.publish(envelope("1"));
      await inbox.has(["1", "2", "3"]);
    },
  },
]);
