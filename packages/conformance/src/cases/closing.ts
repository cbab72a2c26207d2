import assert from "node:assert/strict";
import { consumer, dead, envelope, envelopes } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { has } from "../requirements.ts";

const CLOSE = "contract: ConsumerHandle.close";

const withRedelivery = ({ redeliverAfterMs }: { readonly redeliverAfterMs: number }): number =>
  10_000 + 2 * redeliverAfterMs;

export const closing: readonly ConformanceCase[] = defineCases("close", [
  {
    id: "drains",
    name: "close waits for what is in hand, and takes nothing new",
    promise: CLOSE,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      await instance.publish(...envelopes(3));
      await inbox.holds(1);
      let closed = false;
      const closing = inbox.close(30_000).then(() => (closed = true));
      await instance.silence();
      assert.equal(closed, false, "it waits for its handler");
      inbox.settleAll();
      await context.waiting.for("close", closing);
      await instance.silence();
      assert.equal(inbox.ids.length, 1);
    },
  },
  {
    id: "deadline",
    name: "close ends at its deadline while a handler hangs, and another consumer gets what it had",
    promise: "contract: close leaves the rest to others within redeliverAfterMs",
    limitMs: withRedelivery,
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const hanging = await instance.consume(consumer("mail"), "hold");
      await instance.publish(...envelopes(3));
      await hanging.holds(3);
      const from = performance.now();
      await context.waiting.for("close, at its deadline", hanging.close(100));
      assert.ok(performance.now() - from >= 97, "it gave them their time");
      const next = await peer.consume(consumer("mail"));
      await next.has(envelopes(3).map(({ id }) => id));
      for (const { delivery } of next.handovers) {
        assert.equal(delivery.crashes, 0, "a release is counted as nothing");
      }
    },
  },
  {
    id: "late-settlement",
    name: "a settlement that comes after the deadline is ignored",
    promise: "contract: close ignores a settlement that comes later",
    when: has("admin"),
    limitMs: withRedelivery,
    async run(context) {
      const instance = await context.start();
      const hanging = await instance.consume(consumer("mail"), "hold");
      await instance.publish(envelope("1"));
      const [late] = await hanging.holds(1);
      await context.waiting.for("close", hanging.close(0));
      const next = await instance.consume(consumer("mail"), "hold");
      await next.holds(1);
      late?.settle(dead());
      await instance.silence();
      assert.deepEqual(await instance.dead("mail"), []);
      await instance.showsStats("mail", { inFlight: 1 });
      next.settleAll();
      await instance.hasStats("mail", { ready: 0, delayed: 0, inFlight: 0, dead: 0 });
    },
  },
  {
    id: "twice",
    name: "close may be called twice, also at the same time, and after stop",
    promise: "contract: close is idempotent",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), "hold");
      await instance.publish(envelope("1"));
      await inbox.holds(1);
      const both = [inbox.close(5_000), inbox.close(5_000)];
      inbox.settleAll();
      await context.waiting.for("both closes", Promise.all(both));
      await context.waiting.for("a third close", inbox.close(5_000));
      await instance.stop();
      await context.waiting.for("a close after stop", inbox.close(5_000));
    },
  },
  {
    id: "at-once",
    name: "close is over at once when nothing is in hand",
    promise: CLOSE,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1"));
      await inbox.has(["1"]);
      await inbox.idle();
      const limitMs = context.ms(3_000);
      await context.waiting.within("close with nothing in flight", limitMs, inbox.close(60_000));
    },
  },
  {
    id: "goes-on",
    name: "a consumer that comes after a close goes on where it ended",
    promise: "contract: close leaves the rest to others",
    async run(context) {
      const instance = await context.start();
      const first = await instance.consume(consumer("mail", { concurrency: 1 }), "hold");
      const sent = envelopes(10);
      await instance.publish(...sent);
      await first.holds(1);
      const closing = first.close(10_000);
      first.settleAll();
      await closing;
      const next = await instance.consume(consumer("mail"));
      await next.has(sent.map(({ id }) => id).filter((id) => id !== first.ids[0]));
      await instance.nothingMore(next);
      assert.equal(next.times(first.ids[0] ?? ""), 0, "what was handled is not repeated");
    },
  },
  {
    id: "only-one",
    name: "closing one consumer leaves the others at work",
    promise: CLOSE,
    async run(context) {
      const instance = await context.start();
      const closed = await instance.consume(consumer("mail"));
      const same = await instance.consume(consumer("mail"));
      const other = await instance.consume(consumer("stock"));
      await closed.close();
      const ids = envelopes(20).map(({ id }) => id);
      await instance.publish(...envelopes(20));
      await same.has(ids);
      await other.has(ids);
      assert.deepEqual(closed.ids, []);
    },
  },
]);
