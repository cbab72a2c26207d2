import assert from "node:assert/strict";
import type { EventMessage } from "@busbar/core";
import { createGate } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled, settledMs } from "../run-recorder.ts";
import { can } from "../requirements.ts";

const MEBIBYTE = 1_048_576;

export const busEmit: readonly ConformanceCase[] = defineCases("bus", [
  {
    id: "ids",
    name: "emit answers with an id for each event, in order, and handlers see them",
    promise: "bus: an event keeps one id from emit to the last handler",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("*", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      const ids = await bus.emit([
        { name: "a", data: 0 },
        { name: "b", data: 1, id: "given" },
        { name: "c", data: 2 },
      ]);
      assert.equal(ids[1], "given");
      await seen.ran(3);
      for (const { event } of seen.runs) assert.equal(event.id, ids[event.data as number]);
    },
  },
  {
    id: "neighbours",
    name: "an event that the provider refuses for good is refused to its own emit only, not to others of the same turn",
    promise:
      "contract: one result per envelope; the bus splits a combined batch that is refused for good",
    limitMs: () => 30_000,
    async run(context) {
      const { refusesAboveBytes } = context.harness;
      const bytes = refusesAboveBytes ?? 2 * MEBIBYTE;
      const bus = await context.bus({ maxPayloadBytes: 2 * bytes });
      const seen = new RunRecorder(context);
      bus.subscribe("order.placed", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      const data = [0, [1, 2], "x".repeat(bytes + 1), 3, [4, 5, 6], 7];
      const emits = data.map((one) =>
        bus.emit([one].flat().map((it) => ({ name: "order.placed", data: it }))),
      );
      const outcomes = await Promise.allSettled(emits);
      const refused = outcomes.flatMap(({ status }, index) => (status === "rejected" ? index : []));
      assert.deepEqual(refused, refusesAboveBytes === undefined ? [] : [2]);
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        const { code } = outcome.reason as { readonly code: unknown };
        assert.equal(code, "BUSBAR_UNAVAILABLE");
      }
      await bus.emit("order.placed", 8);
      const accepted = 9 + 1 - refused.length;
      await seen.ran(accepted);
      await settled(context, bus);
      const small = seen.data.filter((it) => typeof it === "number");
      assert.deepEqual(
        small.toSorted((a, b) => a - b),
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
      );
      assert.equal(seen.runs.length, accepted, "each of them once");
    },
  },
  {
    id: "refused-whole",
    name: "what cannot be carried whole is refused, and the emit with it: nothing of it is sent",
    promise: "bus: data is what JSON makes of it; every string is well-formed, or refused",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("*", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      const half = "a\ud800";
      const fine = { name: "a", data: "fine" };
      const refused: readonly Partial<EventMessage>[] = [
        { data: half },
        { data: { list: [{ [half]: 1 }] } },
        { data: new Map([[1, 2]]) },
        { data: new Error("lost") },
        { data: /lost/ },
        { data: "x".repeat(MEBIBYTE) },
        { name: half },
        { id: half },
        { metadata: { note: half } },
        { metadata: { [half]: 1 } },
        { metadata: { correlationId: half } },
        { metadata: { note: "x".repeat(MEBIBYTE) } },
        { metadata: { eventGroupId: half } },
        { metadata: { eventGroupId: "g", stepId: half } },
        { options: { orderingKey: half } },
        { options: { deduplicationId: half } },
      ];
      for (const members of refused) {
        await assert.rejects(bus.emit([fine, { ...fine, ...members }, fine]), {
          code: "BUSBAR_INVALID_MESSAGE",
        });
      }
      assert.throws(() => bus.subscribe("a", () => {}, { subscriberId: half }), TypeError);
      assert.throws(() => bus.subscribe(half, () => {}, { subscriberId: "late" }), TypeError);
      await bus.emit("b", "the only one");
      await settled(context, bus);
      assert.deepEqual(seen.data, ["the only one"]);
    },
  },
  {
    id: "largest-payload",
    name: "a payload of maxPayloadBytes is carried whole, alone and with others; one byte more is refused",
    promise: "bus: a payload is at most maxPayloadBytes, the same on every provider",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      // Six bytes of JSON each, three of UTF-8, and one.
      const start = "\u0001€".repeat(50_000);
      const data = start + "x".repeat(MEBIBYTE - Buffer.byteLength(JSON.stringify(start)));
      await bus.emit("a", data);
      await bus.emit([1, 2, 3].map((it) => ({ name: "a", data: it === 2 ? data : it })));
      await assert.rejects(bus.emit("a", `${data}x`), { code: "BUSBAR_INVALID_MESSAGE" });
      await seen.ran(4);
      await settled(context, bus);
      const got = seen.data.map((it) => (it === data ? "whole" : it));
      assert.deepEqual(got.map(String).toSorted(), ["1", "3", "whole", "whole"]);
    },
  },
  {
    id: "never-hangs",
    name: "emit resolves while every handler hangs",
    promise: "guarantee: emit never hangs",
    async run(context) {
      const bus = await context.bus({ emitTimeoutMs: context.ms(5_000) });
      const gate = createGate();
      bus.subscribe("a", () => gate.opened, { subscriberId: "mail", concurrency: 1 });
      await bus.start();
      await Promise.all(Array.from({ length: 200 }, (_, data) => bus.emit("a", data)));
      gate.open();
      await settled(context, bus);
    },
  },
  {
    id: "in-handler",
    name: "a handler may emit, also to itself, and all of it is handled",
    promise: "guarantee: an emit inside a handler is never made to wait",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const work = seen.subscriber(async ({ data }) => {
        const left = data as number;
        if (left > 0) await bus.emit([left - 1, left - 1].map((it) => ({ name: "a", data: it })));
      });
      bus.subscribe("a", work, { subscriberId: "mail", concurrency: 1 });
      await bus.start();
      await bus.emit("a", 5);
      await seen.ran(63);
      await settled(context, bus);
      assert.equal(seen.runs.length, 63);
    },
  },
  {
    id: "settled",
    name: "settled waits for an event and all that was emitted because of it",
    promise: "bus: settled waits for an event and all that was emitted because of it",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", () => bus.emit("b", 1).then(() => {}), { subscriberId: "first" });
      const slow = seen.subscriber(() => new Promise((resolve) => setTimeout(resolve, 50)));
      bus.subscribe("b", slow, { subscriberId: "second" });
      await bus.start();
      const [eventId] = await bus.emit("a", 1);
      const timeoutMs = settledMs(context);
      await context.waiting.for("settled", bus.settled({ eventId, timeoutMs }));
      assert.equal(seen.runs.length, 1);
      const { subscriptions } = await bus.inspect();
      assert.deepEqual(
        subscriptions.map(({ ready, delayed, inFlight }) => ready + delayed + inFlight),
        [0, 0],
      );
    },
  },
  {
    id: "unrouted",
    name: "events that nobody wants are counted",
    promise: "guarantee: events that no subscription wants are counted (unrouted)",
    async run(context) {
      const bus = await context.bus();
      bus.subscribe("a", () => {}, { subscriberId: "mail" });
      await bus.start();
      await bus.emit("a", 1);
      await bus.emit(["b", "c"].map((name) => ({ name, data: 1 })));
      const { counters } = await bus.inspect();
      assert.deepEqual([counters.emitted, counters.unrouted], [3, 2]);
    },
  },
  {
    id: "delay",
    name: "a delayed emit is handled no earlier",
    promise: "bus: an event with a delay is handled no earlier",
    when: can("delay"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      const from = performance.now();
      await bus.emit("a", 1, { delay: 200 });
      await seen.ran(1);
      assert.ok((seen.runs[0]?.at ?? 0) - from >= 197);
    },
  },
  {
    id: "deduplication",
    name: "of two emits with one deduplicationId, one is handled, and the other counted",
    promise: "bus: only deduplicationId deduplicates",
    when: can("deduplication"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await bus.emit("a", "first", { deduplicationId: "d" });
      await bus.emit("a", "second", { deduplicationId: "d" });
      await bus.emit("a", "third", { deduplicationId: "e" });
      await seen.ran(2);
      await settled(context, bus);
      assert.deepEqual(seen.data, ["first", "third"]);
      assert.equal((await bus.inspect()).counters.duplicates, 1);
    },
  },
  {
    id: "same-id-twice",
    name: "emitting again with the same id is delivered again",
    promise: "bus: ids identify; only deduplicationId deduplicates",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      for (const data of [1, 2]) await bus.emit({ id: "same", name: "a", data });
      await seen.ran(2);
      assert.deepEqual(seen.data.map(String).toSorted(), ["1", "2"]);
    },
  },
]);
