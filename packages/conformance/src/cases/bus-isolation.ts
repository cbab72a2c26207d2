import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import type { Event } from "@busbar/core";
import { createGate } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled } from "../run-recorder.ts";
import { has } from "../requirements.ts";

const fail = (): never => {
  throw new Error("fails, as it should");
};

/** What one handler may do, or see, of another. */
export const busIsolation: readonly ConformanceCase[] = defineCases("bus-delivery", [
  {
    id: "isolated-failure",
    name: "a subscription that fails repeats, delays and fails no other",
    promise: "guarantee: one failing subscription never delays, repeats or fails another",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const [failing, fine] = [new RunRecorder(context), new RunRecorder(context)];
      bus.subscribe("a", failing.subscriber(fail), { subscriberId: "failing", attempts: 5 });
      bus.subscribe("a", fine.subscriber(), { subscriberId: "fine" });
      await bus.start();
      await bus.emit(Array.from({ length: 20 }, (_, data) => ({ name: "a", data })));
      await failing.ran(100);
      await fine.ran(20);
      await settled(context, bus);
      assert.equal(fine.runs.length, 20);
      const { items } = await bus.deadLetters.list();
      assert.ok(items.length === 20 && items.every((it) => it.subscriberId === "failing"));
    },
  },
  {
    id: "async-context",
    name: "a handler finds the AsyncLocalStorage of nobody else: not of who started the bus, nor of another emit",
    promise:
      "guarantee: a subscriber cannot hurt others; what runs because of one emit is not another's",
    async run(context) {
      const user = new AsyncLocalStorage<string>();
      const bus = await context.bus();
      const found: (readonly [of: unknown, store: string | undefined])[] = [];
      const seen = new RunRecorder(context);
      const look = seen.subscriber(({ data }, { attempt }) => {
        found.push([data, user.getStore()]);
        if (attempt === 1) throw new Error("fails once, as it should");
      });
      bus.subscribe("a", look, { subscriberId: "one", attempts: 2, concurrency: 1 });
      await user.run("ann", () => bus.start());
      user.run("ann", () => bus.subscribe("a", look, { subscriberId: "late", attempts: 2 }));
      for (const name of ["ann", "bob", "cid"]) {
        await user.run(name, () => bus.emit([1, 2].map(() => ({ name: "a", data: name }))));
      }
      await seen.ran(24);
      await settled(context, bus);
      const foreign = found.filter(([of, store]) => store !== undefined && store !== of);
      assert.deepEqual(foreign, []);
    },
  },
  {
    id: "slow-neighbour",
    name: "a subscription that hangs delays no other, and no emit",
    promise: "guarantee: emit never hangs, and a slow subscription delays no other",
    async run(context) {
      const bus = await context.bus();
      const [gate, fine] = [createGate(), new RunRecorder(context)];
      bus.subscribe("a", () => gate.opened, { subscriberId: "hangs", concurrency: 1 });
      bus.subscribe("a", fine.subscriber(), { subscriberId: "fine" });
      await bus.start();
      for (let index = 0; index < 30; index++) await bus.emit("a", index);
      await fine.ran(30);
      gate.open();
      await settled(context, bus);
    },
  },
  {
    id: "timeout",
    name: "a handler that hangs loses its slot at its time limit",
    promise: "guarantee: a hanging handler loses its slot by timeoutMs",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const work = seen.subscriber((event) =>
        event.data === "hangs" ? new Promise<never>(() => {}) : undefined,
      );
      bus.subscribe("a", work, { subscriberId: "mail", concurrency: 1, timeoutMs: 100 });
      await bus.start();
      await bus.emit("a", "hangs");
      await bus.emit("a", "fine");
      await seen.ran(2);
      await settled(context, bus);
      assert.deepEqual(seen.data, ["hangs", "fine"]);
      const [letter] = (await bus.deadLetters.list()).items;
      assert.equal(letter?.errors[0]?.code, "BUSBAR_TIMEOUT");
    },
  },
  {
    id: "payload-isolation",
    name: "what a handler does to its event nobody else sees",
    promise: "guarantee: payloads are isolated",
    async run(context) {
      const bus = await context.bus();
      const seen: unknown[] = [];
      for (const subscriberId of ["one", "other"]) {
        bus.subscribe<{ list: number[] }>(
          "a",
          ({ data }, { attempt }) => {
            seen.push(structuredClone(data));
            data.list.push(99);
            (data as Record<string, unknown>)["spoilt"] = true;
            if (attempt === 1) fail();
          },
          { subscriberId, attempts: 2 },
        );
      }
      await bus.start();
      const data = { list: [1, 2] };
      const emitted = bus.emit("a", data);
      data.list.push(3);
      await emitted;
      await settled(context, bus);
      assert.deepEqual(
        seen,
        Array.from({ length: 4 }, () => ({ list: [1, 2] })),
      );
      assert.deepEqual(data, { list: [1, 2, 3] });
    },
  },
  {
    id: "event",
    name: "a handler gets id, name, data and metadata, with times as Dates",
    promise: "bus: createdAt and publishedAt are Dates in handlers, on every provider",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("order.*", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      const createdAt = new Date(1_700_000_000_123);
      const metadata = { createdAt, tenant: { id: 7, name: "Größe" } };
      const from = performance.now();
      await bus.emit({ id: "my-id", name: "order.placed", data: { when: createdAt }, metadata });
      await seen.ran(1);
      const event = seen.runs[0]?.event;
      assert.deepEqual([event?.id, event?.name], ["my-id", "order.placed"]);
      assert.deepEqual(event?.data, { when: createdAt.toISOString() });
      const { createdAt: at, publishedAt, created_at, published_at } = event?.metadata ?? {};
      assert.ok(at instanceof Date && publishedAt instanceof Date);
      assert.equal(at.getTime(), createdAt.getTime());
      assert.ok(publishedAt.getTime() >= from - 3);
      assert.deepEqual([created_at, published_at], [at, publishedAt], "by the names of Medusa");
      assert.deepEqual(event?.metadata["tenant"], metadata.tenant);
      assert.equal(event?.metadata.correlationId, "my-id");
    },
  },
  {
    id: "correlation",
    name: "what is emitted in a handler carries the correlation on, also through a retry",
    promise: "contract: correlationId is shared by all that was emitted because of an event",
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const work = async ({ attempt }: { readonly attempt: number }): Promise<void> => {
        if (attempt === 1) fail();
        await bus.emit("b", 2);
      };
      bus.subscribe("a", (_, run) => work(run), { subscriberId: "first", attempts: 2 });
      bus.subscribe("b", () => bus.emit("c", 3).then(() => {}), { subscriberId: "second" });
      bus.subscribe("c", seen.subscriber(), { subscriberId: "third" });
      await bus.start();
      const [id] = await bus.emit("a", 1);
      await seen.ran(1);
      const { metadata } = seen.runs[0]?.event ?? {};
      assert.equal(metadata?.correlationId, id);
      assert.notEqual(metadata?.causationId, id);
      await settled(context, bus);
    },
  },
  {
    id: "causation-depth",
    name: "an event knows how many causes it has, also through a retry and as a dead letter",
    promise:
      "contract: causationDepth is one more than that of the event in whose handler it was emitted",
    when: has("admin"),
    async run(context) {
      const bus = await context.bus();
      const depths: unknown[] = [];
      const emitNext = async ({ name, metadata }: Event, attempt: number): Promise<void> => {
        depths.push(metadata.causationDepth);
        if (attempt === 1) fail();
        // What is passed on with the metadata of the cause does not count.
        if (name !== "c") await bus.emit({ name: name === "a" ? "b" : "c", data: 1, metadata });
      };
      bus.subscribe(["a", "b"], (event, { attempt }) => emitNext(event, attempt), {
        subscriberId: "next",
        attempts: 2,
      });
      bus.subscribe("c", fail, { subscriberId: "dies" });
      await bus.start();
      await bus.emit("a", 1);
      await settled(context, bus);
      assert.deepEqual(depths, [undefined, undefined, 1, 1]);
      const { items } = await bus.deadLetters.list();
      assert.deepEqual(
        items.map(({ event }) => [event.name, event.metadata.causationDepth]),
        [["c", 2]],
      );
    },
  },
]);
