import assert from "node:assert/strict";
import { createGate } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled } from "../run-recorder.ts";
import { durable, groupsOnBus, inProcess, notDurable } from "../requirements.ts";

/** Milliseconds after which a process with nothing to do would have ended. */
const IDLE_MS = 300;

export const busShutdown: readonly ConformanceCase[] = defineCases("bus-shutdown", [
  {
    id: "keeps-alive",
    name: "a bus that runs keeps its process alive with nothing to do, and lets it end once stopped",
    promise:
      "guarantee: a running bus keeps its process alive on every provider, until it is stopped",
    when: inProcess,
    limitMs: () => 30_000,
    async run(context) {
      const child = await context.idler();
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      assert.equal(child.exitCode, undefined, "it lives");
      await child.stopAndExit(1_000);
      assert.equal(child.exitCode, 0);
    },
  },
  {
    id: "drains",
    name: "stop waits for what is in flight, and takes no new emits",
    promise: "guarantee: stop waits for the deliveries in flight and refuses other emits",
    async run(context) {
      const bus = await context.bus();
      const [gate, seen] = [createGate(), new RunRecorder(context)];
      let finished = 0;
      const work = seen.subscriber(async () => {
        await gate.opened;
        finished += 1;
      });
      bus.subscribe("a", work, { subscriberId: "mail" });
      await bus.start();
      await bus.emit([1, 2, 3].map((data) => ({ name: "a", data })));
      await seen.ran(3);
      let stopped = false;
      const stopping = bus.stop({ graceMs: context.ms(8_000) }).then(() => (stopped = true));
      await assert.rejects(bus.emit("a", 4), { code: "BUSBAR_NOT_RUNNING" });
      await new Promise((resolve) => setTimeout(resolve, context.quietMs));
      assert.equal(stopped, false, "it waits for its handlers");
      gate.open();
      await context.waiting.for("stop", stopping);
      assert.equal(finished, 3);
    },
  },
  {
    id: "deadline",
    name: "stop ends at its deadline while a handler hangs, whose signal says so",
    promise: "guarantee: stop waits for the deliveries in flight for at most graceMs",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      let aborted = false;
      const work = seen.subscriber((_, { signal }) => {
        signal.addEventListener("abort", () => (aborted = true));
        return new Promise<never>(() => {});
      });
      bus.subscribe("a", work, { subscriberId: "mail" });
      await bus.start();
      await bus.emit("a", 1);
      await seen.ran(1);
      const limitMs = context.ms(4_000);
      await context.waiting.within("stop, at its deadline", limitMs, bus.stop({ graceMs: 150 }));
      assert.equal(aborted, true);
    },
  },
  {
    id: "what-is-due",
    name: "in memory, stop first delivers what is due, and what handlers emit meanwhile",
    promise: "contract: a provider that is not durable first delivers what is due",
    when: notDurable,
    async run(context) {
      const bus = await context.bus();
      const [gate, seen] = [createGate(), new RunRecorder(context)];
      const work = seen.subscriber(async ({ data }) => {
        if (data === 0) await gate.opened;
        if (data === 9) await bus.emit("a", "more");
      });
      bus.subscribe("a", work, { subscriberId: "mail", concurrency: 1 });
      await bus.start();
      await bus.emit(Array.from({ length: 10 }, (_, data) => ({ name: "a", data })));
      const stopped = bus.stop();
      // What is due runs when the provider itself stops, and not on the way to that.
      for (let turn = 0; turn < 5; turn += 1) await new Promise((end) => setImmediate(end));
      gate.open();
      await context.waiting.for("stop", stopped);
      assert.equal(seen.runs.length, 11);
    },
  },
  {
    id: "emits-while-draining",
    name: "handlers in flight may emit, and release groups, while stop waits for them",
    promise: "guarantee: while stop waits, what handlers emit is accepted",
    when: groupsOnBus,
    async run(context) {
      const bus = await context.bus();
      const [gate, seen, later] = [
        createGate(),
        new RunRecorder(context),
        new RunRecorder(context),
      ];
      const failed: unknown[] = [];
      const work = seen.subscriber(async () => {
        await gate.opened;
        try {
          await bus.emit("b", "emitted");
          await bus.emit({ name: "b", data: "staged", metadata: { eventGroupId: "g" } });
          await bus.releaseGroupedEvents("g");
          await bus.inspect();
        } catch (error) {
          failed.push(error);
          throw error;
        }
      });
      bus.subscribe("a", work, { subscriberId: "mail" });
      bus.subscribe("b", later.subscriber(), { subscriberId: "later" });
      await bus.start();
      await bus.emit("a", 1);
      await seen.ran(1);
      const stopping = bus.stop({ graceMs: context.ms(8_000) });
      await new Promise((resolve) => setTimeout(resolve, context.quietMs));
      gate.open();
      await context.waiting.for("stop", stopping);
      assert.deepEqual(failed, []);
      if (context.capabilities.durable) {
        const next = await context.bus();
        next.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
        next.subscribe("b", later.subscriber(), { subscriberId: "later" });
        await next.start();
        await settled(context, next);
        assert.deepEqual((await next.deadLetters.list()).items, []);
      }
      assert.equal(seen.runs.length, 1);
      assert.deepEqual(new Set(later.data), new Set(["emitted", "staged"]));
    },
  },
  {
    id: "cut-short",
    name: "a handler that stop cuts short has not failed, whatever it throws",
    promise: "bus: releases count as nothing",
    when: durable,
    limitMs: ({ redeliverAfterMs }) => 15_000 + 2 * redeliverAfterMs,
    async run(context) {
      const [cut, next] = [new RunRecorder(context), new RunRecorder(context)];
      const first = await context.bus();
      const policy = { subscriberId: "mail", concurrency: 3 };
      const work = cut.subscriber(async (_, { signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        await first.emit("b", "too late");
      });
      first.subscribe("a", work, policy);
      await first.start();
      await first.emit([1, 2, 3].map((data) => ({ name: "a", data })));
      await cut.ran(3);
      await first.stop({ graceMs: 50 });
      const second = await context.bus();
      second.subscribe("a", next.subscriber(), policy);
      await second.start();
      await next.ran(3);
      await settled(context, second);
      assert.deepEqual((await second.deadLetters.list()).items, []);
      assert.ok(next.runs.every(({ attempt }) => attempt === 1));
    },
  },
  {
    id: "hands-back",
    name: "what stop hands back is handled elsewhere, as its first attempt",
    promise: "guarantee: stop releases the deliveries that have not ended",
    when: durable,
    limitMs: ({ redeliverAfterMs }) => 15_000 + 2 * redeliverAfterMs,
    async run(context) {
      const [hanging, next] = [new RunRecorder(context), new RunRecorder(context)];
      const first = await context.bus();
      const policy = { subscriberId: "mail", concurrency: 2 };
      first.subscribe(
        "a",
        hanging.subscriber(() => new Promise<never>(() => {})),
        policy,
      );
      await first.start();
      await first.emit(Array.from({ length: 10 }, (_, data) => ({ name: "a", data })));
      await hanging.ran(2);
      await first.stop({ graceMs: 50 });
      const second = await context.bus();
      second.subscribe("a", next.subscriber(), policy);
      await second.start();
      await next.ran(10);
      await settled(context, second);
      assert.equal(next.runs.length, 10);
      assert.ok(next.runs.every(({ attempt }) => attempt === 1));
    },
  },
]);
