import assert from "node:assert/strict";
import { PermanentError } from "@busbar/core";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled } from "../run-recorder.ts";
import { all, can, durable, has } from "../requirements.ts";

const fail = (): never => {
  throw new Error("fails, as it should");
};

export const busDelivery: readonly ConformanceCase[] = defineCases("bus-delivery", [
  {
    id: "dead-after-one",
    name: "with one attempt, what fails is a dead letter with its error, and can be replayed",
    promise: "guarantee: nothing is lost silently, even with one attempt",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const mail = seen.subscriber(() => (seen.runs.length === 1 ? fail() : undefined));
      bus.subscribe("order.placed", mail, { subscriberId: "mail" });
      await bus.start();
      const [id] = await bus.emit("order.placed", { orderId: "42" });
      await settled(context, bus);
      const { items } = await bus.deadLetters.list();
      assert.equal(items.length, 1);
      const [letter] = items;
      assert.deepEqual(
        [letter?.subscriberId, letter?.reason, letter?.attempts, letter?.event.id],
        ["mail", "failed", 1, id],
      );
      assert.equal(letter?.errors[0]?.message, "fails, as it should");
      assert.equal(await bus.deadLetters.replay("mail"), 1);
      await seen.ran(2);
      await settled(context, bus);
      assert.deepEqual((await bus.deadLetters.list()).items, []);
      assert.deepEqual(seen.data, [{ orderId: "42" }, { orderId: "42" }]);
      assert.equal(seen.runs[1]?.attempt, 1, "as if for the first time");
    },
  },
  {
    id: "anything-thrown",
    name: "whatever a handler throws, it has failed: a dead letter with well-formed text of bounded length",
    promise: "guarantee: errors are caught; a dead letter has all its errors, bounded",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const trap = (): never => {
        throw new Error("a trap");
      };
      const thrown: readonly unknown[] = [
        undefined,
        Symbol("s"),
        Object.create(null),
        new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap }),
        Object.defineProperty(new Error("x"), "message", { get: trap }),
        Object.defineProperty(new Error("x"), "stack", { get: trap }),
        new Error("a\0b\ud83d"),
        new Error("😀".repeat(100_000), { cause: new Error("c".repeat(1_000_000)) }),
      ];
      const work = ({ data }: { readonly data: unknown }): void => {
        throw thrown[data as number];
      };
      bus.subscribe("a", work, { subscriberId: "at-once", attempts: 2 });
      bus.subscribe("a", async (event) => work(event), { subscriberId: "later", attempts: 2 });
      await bus.start();
      await bus.emit(thrown.map((_, data) => ({ name: "a", data })));
      await settled(context, bus);
      const { items } = await bus.deadLetters.list();
      assert.equal(items.length, 2 * thrown.length);
      for (const { reason, attempts, errors } of items) {
        assert.deepEqual([reason, attempts, errors.length], ["failed", 2, 2]);
        const text = JSON.stringify(errors);
        assert.ok(Buffer.byteLength(text) < 9_000, `it has ${Buffer.byteLength(text)} bytes`);
        assert.ok(!/\\ud[89a-f]/.test(text), "its text is well-formed");
      }
      const replayed = await Promise.all(
        ["at-once", "later"].map((id) => bus.deadLetters.replay(id)),
      );
      assert.deepEqual(replayed, [thrown.length, thrown.length]);
      await settled(context, bus);
      assert.equal((await bus.deadLetters.list()).items.length, items.length);
    },
  },
  {
    id: "discard",
    name: "a dead letter can be discarded",
    promise: "guarantee: a dead one can be listed, replayed and discarded",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      bus.subscribe("a", fail, { subscriberId: "mail" });
      await bus.start();
      await bus.emit([1, 2, 3].map((data) => ({ name: "a", data })));
      await settled(context, bus);
      assert.equal(await bus.deadLetters.discard("mail"), 3);
      assert.deepEqual((await bus.deadLetters.list()).items, []);
    },
  },
  {
    id: "attempts",
    name: "a failing delivery runs as often as its attempts say, counted from 1",
    promise: "bus: attempts count runs that failed",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(fail), { subscriberId: "mail", attempts: 4 });
      await bus.start();
      await bus.emit("a", 1);
      await seen.ran(4);
      await settled(context, bus);
      assert.deepEqual(
        seen.runs.map(({ attempt }) => attempt),
        [1, 2, 3, 4],
      );
      const [letter] = (await bus.deadLetters.list()).items;
      assert.deepEqual([letter?.attempts, letter?.errors.length], [4, 4]);
    },
  },
  {
    id: "backoff",
    name: "a retry waits for its backoff, and the event is then handled",
    promise: "bus: a retry waits for the backoff of the policy",
    when: all(can("retryDelay"), has("admin")),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const work = seen.subscriber((_, { attempt }) => (attempt < 3 ? fail() : undefined));
      const backoff = { type: "exponential", delay: 60 } as const;
      bus.subscribe("a", work, { subscriberId: "mail", attempts: 3, backoff });
      await bus.start();
      await bus.emit("a", 1);
      await seen.ran(3);
      await settled(context, bus);
      const [first, second, third] = seen.runs.map(({ at }) => at);
      assert.ok(Number(second) - Number(first) >= 57, "60 ms after the first");
      assert.ok(Number(third) - Number(second) >= 117, "120 ms after the second");
      assert.deepEqual((await bus.deadLetters.list()).items, []);
    },
  },
  {
    id: "emit-options",
    name: "attempts and backoff of an emit hold where the subscription says nothing",
    promise: "bus: what the subscription says comes before what the emit says",
    async run(context) {
      const bus = await context.bus();
      const [plain, own] = [new RunRecorder(context), new RunRecorder(context)];
      bus.subscribe("a", plain.subscriber(fail), { subscriberId: "plain" });
      bus.subscribe("a", own.subscriber(fail), { subscriberId: "own", attempts: 2 });
      await bus.start();
      await bus.emit("a", 1, { attempts: 3 });
      await plain.ran(3);
      await own.ran(2);
      await settled(context, bus);
      assert.deepEqual([plain.runs.length, own.runs.length], [3, 2]);
    },
  },
  {
    id: "permanent",
    name: "a PermanentError makes a delivery dead at once",
    promise: "bus: a PermanentError makes a delivery dead at once",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const work = seen.subscriber(() => {
        throw new PermanentError("no retry can repair this");
      });
      bus.subscribe("a", work, { subscriberId: "mail", attempts: 5 });
      await bus.start();
      await bus.emit("a", 1);
      await settled(context, bus);
      assert.equal(seen.runs.length, 1);
      assert.equal((await bus.deadLetters.list()).items[0]?.reason, "permanent");
    },
  },
  {
    id: "retry-elsewhere",
    name: "a delivery that failed in one instance goes on counting in another",
    promise: "contract: the next Delivery brings the state back",
    when: all(durable, can("retryDelay")),
    limitMs: ({ redeliverAfterMs }) => 15_000 + 2 * redeliverAfterMs,
    async run(context) {
      const seen = new RunRecorder(context);
      const policy = { subscriberId: "mail", attempts: 3, backoff: 300 };
      const first = await context.bus();
      first.subscribe("a", seen.subscriber(fail), policy);
      await first.start();
      await first.emit("a", 1);
      await seen.ran(1);
      await first.stop({ graceMs: 100 });
      const second = await context.bus();
      second.subscribe("a", seen.subscriber(fail), policy);
      await second.start();
      await seen.ran(3);
      await settled(context, second);
      assert.deepEqual(
        seen.runs.map(({ attempt }) => attempt),
        [1, 2, 3],
      );
      const [letter] = (await second.deadLetters.list()).items;
      assert.equal(letter?.errors.length, 3);
    },
  },
  {
    id: "ordered-failure",
    name: "an ordered subscription keeps its order through retries and goes on after a death",
    promise: "guarantee: with onOrderedFailure park, a key goes on after a dead event",
    when: all(can("ordering"), has("admin")),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const work = seen.subscriber(({ data }) => (data === 1 ? fail() : undefined));
      bus.subscribe("a", work, { subscriberId: "mail", ordering: "key", attempts: 3 });
      await bus.start();
      const messages = [1, 2, 3].map((data) => ({ name: "a", data }));
      await bus.emit(messages, { orderingKey: "key" });
      await seen.ran(5);
      await settled(context, bus);
      assert.deepEqual(seen.data, [1, 1, 1, 2, 3]);
    },
  },
]);
