import assert from "node:assert/strict";
import { ACK, consumer, createGate, envelope } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, can, has } from "../requirements.ts";

const CLOCK_SLACK_MS = 3;

export const delay: readonly ConformanceCase[] = defineCases("delay", [
  {
    id: "not-before",
    name: "an event comes when its delay is over, and soon after",
    promise: "contract: delayMs is honoured",
    when: can("delay"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const due = performance.now() + 300;
      await instance.publish(envelope("1", { delayMs: 300 }));
      await inbox.has(["1"]);
      const lateMs = inbox.last("1").at - due;
      assert.ok(lateMs >= -CLOCK_SLACK_MS, `it came ${-lateMs} ms too early`);
      assert.ok(lateMs < context.ms(3_000), `it came ${lateMs} ms late`);
    },
  },
  {
    id: "past",
    name: "a delay of nothing, or of less, delays nothing",
    promise: "contract: delayMs is honoured",
    when: can("delay"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1", { delayMs: 0 }));
      await instance.publish(envelope("2", { delayMs: -60_000 }));
      await inbox.has(["1", "2"]);
    },
  },
  {
    id: "passes-nobody",
    name: "a delayed event holds up no other, and takes no slot",
    promise: "guarantee: one slow delivery delays no other",
    when: can("delay"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }));
      await instance.publish(envelope("later", { delayMs: 60_000 }), envelope("1"));
      await inbox.has(["1"]);
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("later"), 0);
    },
  },
  {
    id: "far-future",
    name: "a delay beyond what a timer can count is honoured",
    promise: "contract: any delay is honoured, also one beyond 24.8 days",
    when: all(can("delay"), has("admin")),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("later", { delayMs: 60 * 86_400_000 }));
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("later"), 0);
      await instance.hasStats("mail", { delayed: 1, ready: 0 });
    },
  },
  {
    id: "in-order-of-time",
    name: "delayed events come in the order of their times",
    promise: "contract: delayMs is honoured",
    when: can("delay"),
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }));
      await instance.publish(
        ...[600, 150, 450, 300].map((ms) => envelope(`${ms}`, { delayMs: ms })),
      );
      await inbox.has(["150", "300", "450", "600"]);
      assert.deepEqual(inbox.ids, ["150", "300", "450", "600"]);
    },
  },
]);

export const priority: readonly ConformanceCase[] = defineCases("priority", [
  {
    id: "most-urgent-first",
    name: "what waits is handed over by priority, and without one as normal",
    promise: "contract: priority is honoured; absent is 100",
    when: can("priority"),
    async run(context) {
      const instance = await context.start();
      const gate = createGate();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), async ({ id }) => {
        if (id === "first") await gate.opened;
        return ACK;
      });
      await instance.publish(envelope("first"));
      await inbox.holds(1);
      await instance.publish(
        ...[2_097_151, 1_000, 101].map((it) => envelope(`p${it}`, { priority: it })),
        envelope("normal"),
        ...[99, 10, 1].map((it) => envelope(`p${it}`, { priority: it })),
      );
      gate.open();
      await inbox.received(8);
      const order = ["p1", "p10", "p99", "normal", "p101", "p1000", "p2097151"];
      assert.deepEqual(inbox.ids.slice(1), order);
    },
  },
  {
    id: "fair-among-equals",
    name: "what has the same priority is handed over in the order of its publish",
    promise: "contract: priority is honoured",
    when: can("priority"),
    async run(context) {
      const instance = await context.start();
      const gate = createGate();
      const inbox = await instance.consume(consumer("mail", { concurrency: 1 }), async ({ id }) => {
        if (id === "first") await gate.opened;
        return ACK;
      });
      await instance.publish(envelope("first"));
      await inbox.holds(1);
      const ids = Array.from(
        { length: 20 },
        (_, index) => `${index % 2 ? "high" : "low"}-${index}`,
      );
      for (const id of ids) {
        await instance.publish(envelope(id, { priority: id.startsWith("high") ? 10 : 1_000 }));
      }
      gate.open();
      await inbox.received(21);
      const high = ids.filter((id) => id.startsWith("high"));
      const low = ids.filter((id) => id.startsWith("low"));
      assert.deepEqual(inbox.ids.slice(1), [...high, ...low]);
    },
  },
  {
    id: "hint",
    name: "whatever its priority, every event is delivered once",
    promise: "guarantee: priority is a hint",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      const priorities = [undefined, 1, 10, 100, 1_000, 2_097_151];
      const sent = Array.from({ length: 60 }, (_, index) =>
        envelope(`${index}`, { priority: priorities[index % priorities.length] }),
      );
      await instance.publish(...sent);
      await inbox.has(sent.map(({ id }) => id));
      await instance.nothingMore(inbox);
      assert.equal(inbox.ids.length, 61);
    },
  },
]);
