import assert from "node:assert/strict";
import type { ModuleCase } from "../module-context.ts";

const EMIT = "contract: IEventBusModule.emit";
const INVALID = { code: "BUSBAR_INVALID_MESSAGE" };

const fail = (): never => {
  throw new Error("fails, as it should");
};

/** Every case for an event module. */
export const moduleCases: readonly ModuleCase[] = [
  {
    id: "module/event",
    name: "a subscriber gets the event: id, name, data, and metadata with times as Dates",
    promise: EMIT,
    async run(context) {
      const seen = context.recorder();
      context.bus.subscribe("order.placed", seen.subscriber(), { subscriberId: "mail" });
      await context.start();
      const ids = await context.bus.emit("order.placed", { orderId: "42" }, {});
      await seen.ran(1);
      const event = seen.runs[0]?.event;
      assert.deepEqual([[event?.id], event?.name], [ids, "order.placed"]);
      assert.deepEqual(event?.data, { orderId: "42" });
      assert.ok(event?.metadata.created_at instanceof Date);
      assert.ok(event.metadata.published_at instanceof Date);
      assert.equal(typeof event.metadata.correlationId, "string");
    },
  },
  {
    id: "module/messages",
    name: "emit takes a message or several, and answers with an id for each, in order",
    promise: EMIT,
    async run(context) {
      const seen = context.recorder();
      context.bus.subscribe("*", seen.subscriber(), { subscriberId: "mail" });
      await context.start();
      const metadata = { tenant: { id: 7 } };
      assert.deepEqual(await context.bus.emit({ id: "given", name: "a", data: 1, metadata }), [
        "given",
      ]);
      const ids = await context.bus.emit([2, 3, 4].map((data) => ({ name: "b", data })));
      assert.equal(new Set(ids).size, 3);
      await seen.ran(4);
      const byData = seen.runs.toSorted((a, b) => Number(a.event.data) - Number(b.event.data));
      assert.deepEqual(
        byData.map(({ event }) => event.id),
        ["given", ...ids],
      );
      assert.deepEqual(byData[0]?.event.metadata["tenant"], { id: 7 });
    },
  },
  {
    id: "module/patterns",
    name: "names match exactly, by pattern, or * for everything; a symbol is its description",
    promise: "bus: names match exactly, by pattern, or * for everything",
    async run(context) {
      const selectors = ["order.placed", "order.*", "order.**", "*", Symbol("order.placed")];
      const seen = selectors.map((selector, index) => {
        const recorder = context.recorder();
        context.bus.subscribe(selector, recorder.subscriber(), { subscriberId: `s-${index}` });
        return recorder;
      });
      const both = context.recorder();
      context.bus.subscribe(["order.placed", "cart.emptied"], both.subscriber(), {
        subscriberId: "both",
      });
      await context.start();
      for (const name of ["order.placed", "order.placed.eu", "cart.emptied", "order"]) {
        await context.bus.emit(name, name);
      }
      await context.nothingMore();
      const counts = seen.map(({ data }) => data.filter((it) => it !== null).length);
      assert.deepEqual(counts, [1, 1, 2, 4, 1]);
      assert.deepEqual(both.data.map(String).toSorted(), ["cart.emptied", "order.placed"]);
    },
  },
  {
    id: "module/failure",
    name: "a subscriber that throws, at once or later, rejects no emit and disturbs no other",
    promise:
      "guarantee: a synchronous throw is a failure like any other, and hurts no other subscription",
    async run(context) {
      const seen = context.recorder();
      context.bus.subscribe("a", fail, { subscriberId: "throws" });
      context.bus.subscribe("a", () => Promise.reject(new Error("as it should")), {
        subscriberId: "rejects",
      });
      context.bus.subscribe("a", seen.subscriber(), { subscriberId: "fine" });
      await context.start();
      for (const data of [1, 2, 3]) await context.bus.emit("a", data);
      await seen.ran(3);
    },
  },
  {
    id: "module/attempts",
    name: "what fails is tried again as often as it is told",
    promise: "bus: a delivery has as many attempts as its policy says",
    async run(context) {
      const seen = context.recorder();
      const work = seen.subscriber((_, { attempt }) => (attempt < 3 ? fail() : undefined));
      context.bus.subscribe("a", work, { subscriberId: "mail", attempts: 5 });
      await context.start();
      await context.bus.emit("a", 1);
      await seen.ran(3);
      await context.nothingMore();
      assert.deepEqual(
        seen.runs.map(({ attempt }) => attempt),
        [1, 2, 3],
      );
    },
  },
  {
    id: "module/isolation",
    name: "what a subscriber or the emitter does to the data nobody else sees",
    promise: "guarantee: payloads are isolated",
    async run(context) {
      const seen: unknown[] = [];
      for (const subscriberId of ["one", "other"]) {
        context.bus.subscribe<{ list: number[] }>(
          "a",
          ({ data }) => {
            seen.push(structuredClone(data));
            data.list.push(99);
            context.waiting.changed();
          },
          { subscriberId },
        );
      }
      await context.start();
      const data = { list: [1] };
      const emitted = context.bus.emit("a", data);
      data.list.push(2);
      await emitted;
      await context.waiting.until("two runs", () => seen.length === 2);
      assert.deepEqual(seen, [{ list: [1] }, { list: [1] }]);
      assert.deepEqual(data, { list: [1, 2] });
    },
  },
  {
    id: "module/unsubscribe",
    name: "unsubscribe ends a subscription, by function or by id, and is chainable",
    promise: "contract: IEventBusModule.unsubscribe",
    async run(context) {
      const [one, other] = [context.recorder(), context.recorder()];
      const [first, second] = [one.subscriber(), other.subscriber()];
      const { bus } = context;
      assert.equal(bus.subscribe("a", first), bus);
      bus.subscribe("a", second, { subscriberId: "second" });
      await context.start();
      await bus.emit("a", 1);
      await one.ran(1);
      await other.ran(1);
      assert.equal(bus.unsubscribe("a", first), bus);
      bus.unsubscribe("a", second, { subscriberId: "second" });
      await bus.emit("a", 2);
      await context.nothingMore();
      assert.deepEqual([one.data, other.data], [[1], [1]]);
    },
  },
  {
    id: "module/in-handler",
    name: "a subscriber may emit",
    promise: "guarantee: an emit inside a handler is never made to wait",
    async run(context) {
      const seen = context.recorder();
      context.bus.subscribe("a", () => context.bus.emit("b", 1).then(() => {}), {
        subscriberId: "first",
      });
      context.bus.subscribe("b", seen.subscriber(), { subscriberId: "second" });
      await context.start();
      const [id] = await context.bus.emit("a", 1);
      await seen.ran(1);
      assert.equal(seen.runs[0]?.event.metadata.correlationId, id);
    },
  },
  {
    id: "module/invalid",
    name: "of messages of which one is malformed none is sent",
    promise: "contract: BUSBAR_INVALID_MESSAGE; none was sent",
    async run(context) {
      const seen = context.recorder();
      context.bus.subscribe("*", seen.subscriber(), { subscriberId: "mail" });
      await context.start();
      const { bus } = context;
      const good = { name: "a", data: 1 };
      const circular: Record<string, unknown> = {};
      circular["itself"] = circular;
      for (const data of [() => {}, Symbol("s"), 1n, Number.NaN, new Map(), new Set(), circular]) {
        await assert.rejects(bus.emit([good, { name: "a", data }]), INVALID);
      }
      await assert.rejects(bus.emit([good, { name: "", data: 1 }]), INVALID);
      await assert.rejects(bus.emit([good, { name: "a.*", data: 1 }]), INVALID);
      await context.nothingMore();
      assert.deepEqual(
        seen.data.filter((data) => data === 1),
        [],
      );
    },
  },
  {
    id: "module/misuse",
    name: "an id twice on one event, and a malformed pattern, are TypeErrors",
    promise: "bus: the same id twice on one event is an error",
    async run(context) {
      const { bus } = context;
      bus.subscribe("a", () => {}, { subscriberId: "mail" });
      assert.throws(() => bus.subscribe("a", () => {}, { subscriberId: "mail" }), TypeError);
      assert.throws(
        () => bus.subscribe("b", () => {}, { subscriberId: "mail", attempts: 9 }),
        TypeError,
      );
      assert.throws(() => bus.subscribe("a*", () => {}, { subscriberId: "x" }), TypeError);
      assert.throws(() => bus.subscribe("**.a", () => {}, { subscriberId: "x" }), TypeError);
      await context.start();
    },
  },
  {
    id: "module/groups",
    name: "grouped events wait for their release, once, and what is cleared never comes",
    promise: "guarantee: events of a group are staged until the group is released or cleared",
    async run(context) {
      const { bus } = context;
      const seen = context.recorder();
      bus.subscribe(["a", "b", "c"], seen.subscriber(), { subscriberId: "mail" });
      await context.start();
      const grouped = (name: string, data: number, stepId: string, eventGroupId = "g") => ({
        name,
        data,
        metadata: { eventGroupId, stepId },
      });
      await bus.emit([grouped("a", 1, "s1"), grouped("b", 2, "s1"), grouped("a", 3, "s2")]);
      await bus.emit([grouped("c", 4, "s3"), grouped("a", 5, "s1", "other")]);
      await bus.clearGroupedEvents("g", { eventNames: ["a"], stepIds: ["s2"] });
      await bus.clearGroupedEvents("g", { eventNames: ["c"] });
      await bus.clearGroupedEvents("other");
      await context.nothingMore();
      assert.deepEqual(seen.data, []);
      await Promise.all([bus.releaseGroupedEvents("g"), bus.releaseGroupedEvents("g")]);
      await bus.releaseGroupedEvents("other");
      await seen.ran(2);
      await new Promise((resolve) => setTimeout(resolve, 40));
      assert.deepEqual(seen.data.map(String).toSorted(), ["1", "2"]);
    },
  },
  {
    id: "module/interceptors",
    name: "interceptors see every event, replace it, drop it, or reject the emit",
    promise:
      "bus: an interceptor sees every event, may replace or drop it, and rejects the emit if it throws",
    async run(context) {
      const { bus } = context;
      const seen = context.recorder();
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await context.start();
      const interceptor = (event: {
        data: unknown;
        id: string;
        name: string;
        metadata: object;
      }) => {
        if (event.data === "drop") return null;
        if (event.data === "reject") return fail();
        return { ...event, metadata: { ...event.metadata }, data: `${String(event.data)}!` };
      };
      assert.equal(bus.addInterceptor(interceptor), bus);
      const [id] = await bus.emit("a", "replace");
      await bus.emit("a", "drop");
      await assert.rejects(bus.emit("a", "reject"));
      bus.removeInterceptor(interceptor);
      await bus.emit("a", "plain");
      await seen.ran(2);
      assert.deepEqual(seen.data, ["replace!", "plain"]);
      assert.equal(seen.runs[0]?.event.id, id);
    },
  },
];
