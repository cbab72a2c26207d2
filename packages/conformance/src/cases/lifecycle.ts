import assert from "node:assert/strict";
import { ACK, consumer, dead, envelope, envelopes, retry, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, durable, has, notDurable } from "../requirements.ts";

export const lifecycle: readonly ConformanceCase[] = defineCases("lifecycle", [
  {
    id: "stop-before-start",
    name: "stop may be called before start, and twice",
    promise: "contract: safe to call twice, and before start",
    async run(context) {
      const provider = await context.create();
      await context.waiting.for("stop", provider.stop({ graceMs: 1_000 }));
      await context.waiting.for("stop", provider.stop({ graceMs: 0 }));
    },
  },
  {
    id: "stop-while-starting",
    name: "stop works while start is under way: it ends in time, rejects for nothing, and start ends as well",
    promise: "contract: stop is safe before start and while it is under way",
    async run(context) {
      const provider = await context.create();
      const started = provider.start(context.providerContext()).then(
        () => "started",
        () => "gave up",
      );
      await context.waiting.within("stop", context.ms(4_000), provider.stop({ graceMs: 500 }));
      await context.waiting.within("start", context.ms(4_000), started);
    },
  },
  {
    id: "start-twice",
    name: "a second start is refused, and harms nothing",
    promise: "contract: start once",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await assert.rejects(
        context.waiting.for("start", instance.provider.start(context.providerContext())),
        "a second start is refused",
      );
      await instance.publish(envelope("1"));
      await inbox.has(["1"]);
    },
  },
  {
    id: "stop-twice",
    name: "stop may be called twice, also at the same time",
    promise: "contract: safe to call twice",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), "hold");
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      const both = Promise.all([instance.stop(5_000), instance.stop(5_000)]);
      inbox.settleAll();
      await both;
      await instance.stop(0);
    },
  },
  {
    id: "stop-drains",
    name: "stop waits for what is in hand, and settles it as told",
    promise: "guarantee: stop waits for the deliveries in flight",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), "hold");
      await instance.publish(...envelopes(3));
      await inbox.holds(3);
      let stopped = false;
      const stopping = instance.stop(30_000).then(() => (stopped = true));
      await instance.silence();
      assert.equal(stopped, false, "it waits for its handlers");
      inbox.settleAll();
      await stopping;
      if (!context.capabilities.durable) return;
      const next = await context.start();
      await next.showsStats("mail", { ready: 0, delayed: 0, inFlight: 0 });
    },
  },
  {
    id: "stop-deadline",
    name: "stop ends at its deadline while a handler hangs",
    promise: "contract: stop works while a handler hangs",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), "hold");
      await instance.publish(...envelopes(3));
      await inbox.holds(3);
      const limitMs = 200 + context.ms(3_000);
      await context.waiting.within("stop, at its deadline", limitMs, instance.stop(200));
      // Too late to count, and no reason to throw.
      inbox.settleAll(dead());
      await instance.silence();
    },
  },
  {
    id: "silent-after-stop",
    name: "nothing is handed over after stop",
    promise: "contract: stop ends every consumer",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(...envelopes(5));
      await inbox.holds(1);
      await instance.stop(0);
      const before = inbox.ids.length;
      inbox.settleAll(retry(0));
      await instance.silence();
      assert.equal(inbox.ids.length, before);
    },
  },
  {
    id: "stop-delivers",
    name: "a provider that is not durable first delivers what is due",
    promise:
      "contract: one that is not durable first delivers what is due, as far as graceMs allows",
    when: notDurable,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(
        consumer("mail", { concurrency: 1 }),
        async ({ id }, nth) => {
          await new Promise((resolve) => setImmediate(resolve));
          return id === "event-3" && nth === 1 ? retry(0) : ACK;
        },
      );
      await instance.publish(...envelopes(20));
      await instance.stop(10_000);
      assert.equal(inbox.ids.length, 21, "all of them, and one retry");
    },
  },
  {
    id: "stop-reports",
    name: "a provider that is not durable says what it gives up",
    promise: "contract: ProviderReport discarded",
    when: all(notDurable, has("subscriptions")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.declare(subscription("nobody"));
      await instance.publish(...envelopes(3));
      await inbox.holds(1);
      await instance.stop(0);
      const discarded = instance.reports.filter((report) => report.type === "discarded");
      const given = new Map(discarded.map((report) => [report.subscriptionId, report.count]));
      assert.deepEqual([given.get("mail"), given.get("nobody")], [3, 3]);
    },
  },
  {
    id: "stop-keeps",
    name: "what a durable provider has not delivered at stop is there for the next",
    promise: "guarantee: stop releases the deliveries that have not ended",
    when: durable,
    limitMs: ({ redeliverAfterMs }) => 15_000 + 2 * redeliverAfterMs,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 2 }), "hold");
      await instance.publish(...envelopes(10));
      await inbox.holds(2);
      await instance.stop(50);
      const next = await context.start();
      const rest = await next.consume(consumer("mail"));
      await rest.has(envelopes(10).map(({ id }) => id));
      for (const { delivery } of rest.handovers) assert.equal(delivery.crashes, 0);
    },
  },
]);
