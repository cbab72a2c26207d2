import assert from "node:assert/strict";
import type { Event } from "@busbar/core";
import { createWorkflow, emitEventStep, type WorkflowData } from "@busbar/core/workflows";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { RunRecorder, settled } from "../run-recorder.ts";
import { all, can, durable, groupsOnBus, has } from "../requirements.ts";

const GROUPS = "guarantee: events of a group are staged until the group is released or cleared";

function grouped(eventGroupId: string, data: unknown, name = "a", stepId?: string) {
  return { name, data, metadata: { eventGroupId, ...(stepId && { stepId }) } };
}

export const busGroups: readonly ConformanceCase[] = defineCases("bus-groups", [
  {
    id: "release",
    name: "grouped events wait for their release, and are then handled in order",
    promise: GROUPS,
    when: groupsOnBus,
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("*", seen.subscriber(), { subscriberId: "mail", concurrency: 1 });
      await bus.start();
      for (const data of [1, 2]) await bus.emit(grouped("g", data));
      await bus.emit(grouped("other", "not this one"));
      await bus.emit("plain", "plain");
      await seen.ran(1);
      assert.deepEqual(seen.data, ["plain"]);
      const staged = (await bus.inspect()).groups;
      assert.deepEqual(
        new Map(staged.map((it) => [it.eventGroupId, it.events])),
        new Map([
          ["g", 2],
          ["other", 1],
        ]),
      );
      const from = performance.now();
      await bus.releaseGroupedEvents("g");
      await seen.ran(3);
      assert.deepEqual(seen.data, ["plain", 1, 2]);
      const publishedAt = seen.runs[1]?.event.metadata.published_at;
      assert.ok(publishedAt && publishedAt.getTime() >= from - 3, "published at release");
    },
  },
  {
    id: "once",
    name: "two releases at once publish each event once",
    promise: "guarantee: two releases at once publish each event once",
    when: groupsOnBus,
    async run(context) {
      const bus = await context.bus();
      const other = context.capabilities.durable ? await context.bus() : bus;
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      if (other !== bus) await other.start();
      await bus.emit(Array.from({ length: 20 }, (_, data) => grouped("g", data)));
      await Promise.all([bus, other, bus, other].map((it) => it.releaseGroupedEvents("g")));
      await bus.releaseGroupedEvents("g");
      await seen.ran(20);
      await settled(context, bus);
      assert.equal(seen.runs.length, 20);
      assert.deepEqual((await bus.inspect()).groups, []);
    },
  },
  {
    id: "clear",
    name: "what is cleared is never published: all, by name or by step",
    promise: "bus: compensating a step clears only that step's events",
    when: groupsOnBus,
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("*", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await bus.emit([
        grouped("g", 1, "a", "s1"),
        grouped("g", 2, "a", "s2"),
        grouped("g", 3, "b", "s2"),
        grouped("g", 4, "c"),
        grouped("cleared", 5),
      ]);
      await bus.clearGroupedEvents("g", { stepIds: ["s2"], eventNames: ["a"] });
      await bus.clearGroupedEvents("g", { eventNames: ["c"] });
      await bus.clearGroupedEvents("cleared");
      await bus.releaseGroupedEvents("g");
      await bus.releaseGroupedEvents("cleared");
      await bus.emit("marker", "marker");
      await context.waiting.until("the marker", () => seen.data.includes("marker"));
      await settled(context, bus);
      assert.deepEqual(seen.data.map(String).toSorted(), ["1", "3", "marker"]);
    },
  },
  {
    id: "delay",
    name: "the delay of a grouped event counts from its release",
    promise: "bus: an event with a delay is handled no earlier",
    when: all(groupsOnBus, can("delay")),
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await bus.emit(grouped("g", 1), { delay: 150 });
      await new Promise((resolve) => setTimeout(resolve, 60));
      const from = performance.now();
      await bus.releaseGroupedEvents("g");
      await seen.ran(1);
      assert.ok((seen.runs[0]?.at ?? 0) - from >= 147);
    },
  },
  {
    id: "interceptors",
    name: "interceptors see grouped events at release, and what they drop is not published",
    promise: "bus: interceptors run, for grouped events, at release",
    when: groupsOnBus,
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      const intercepted: boolean[] = [];
      bus.addInterceptor((event, { isGrouped }) => {
        intercepted.push(isGrouped);
        return event.data === 2 ? null : { ...event, data: `${String(event.data)}!` };
      });
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail", concurrency: 1 });
      await bus.start();
      await bus.emit([1, 2, 3].map((data) => grouped("g", data)));
      assert.deepEqual(intercepted, []);
      await bus.releaseGroupedEvents("g");
      await seen.ran(2);
      assert.deepEqual(intercepted, [true, true, true]);
      assert.deepEqual(seen.data, ["1!", "3!"]);
      assert.deepEqual((await bus.inspect()).groups, []);
    },
  },
  {
    id: "causation-depth",
    name: "a chain through groups and workflows knows its causes, also through a retry and a replay",
    promise:
      "contract: causationDepth is one more than that of the event in whose handler it was emitted",
    when: all(groupsOnBus, has("admin")),
    async run(context) {
      const bus = await context.bus();
      const depths: unknown[] = [];
      const note = ({ name, metadata }: Event): void => {
        depths.push(`${name} ${metadata.causationDepth ?? "none"}`);
        context.waiting.changed();
      };
      const next = createWorkflow("next", (input: WorkflowData<{ name: string }>) => {
        emitEventStep({ eventName: input.name as never, data: {} });
      });
      const emitByWorkflow = (name: string) =>
        next({ resolve: () => bus as never }).run({ input: { name } });
      bus.subscribe(
        "start",
        async (event, { attempt }) => {
          note(event);
          if (attempt === 1) throw new Error("on purpose");
          await emitByWorkflow("middle");
        },
        { subscriberId: "start", attempts: 2 },
      );
      // The caller that releases the group is not the cause.
      bus.subscribe(
        "middle",
        async (event) => {
          note(event);
          await bus.emit(grouped("g", 1, "end"));
        },
        { subscriberId: "middle" },
      );
      let isReplayed = false;
      bus.subscribe(
        "end",
        async (event) => {
          note(event);
          if (!isReplayed) throw new Error("on purpose");
          await emitByWorkflow("after");
        },
        { subscriberId: "end" },
      );
      bus.subscribe("after", note, { subscriberId: "after" });
      await bus.start();
      await bus.emit("start", 1);
      await settled(context, bus);
      await bus.releaseGroupedEvents("g");
      await context.waiting.until("the dead event", () => depths.length === 4);
      await settled(context, bus);
      const { items } = await bus.deadLetters.list();
      assert.deepEqual(
        items.map(({ event }) => [event.name, event.metadata.causationDepth]),
        [["end", 2]],
      );
      isReplayed = true;
      await bus.deadLetters.replay("end");
      await context.waiting.until("the last event", () => depths.length === 6);
      assert.deepEqual(depths, [
        "start none",
        "start none",
        "middle 1",
        "end 2",
        "end 2",
        "after 3",
      ]);
    },
  },
  {
    id: "survives",
    name: "a staged group outlives the bus that staged it, and another releases it",
    promise: "guarantee: a process that dies before the mark leaves the group staged",
    when: all(groupsOnBus, durable),
    async run(context) {
      const first = await context.bus();
      const seen = new RunRecorder(context);
      await first.start();
      await first.emit([1, 2, 3].map((data) => grouped("g", data)));
      await first.stop({ graceMs: 0 });
      const second = await context.bus();
      second.subscribe("a", seen.subscriber(), { subscriberId: "mail", concurrency: 1 });
      await second.start();
      assert.deepEqual(
        (await second.inspect()).groups.map(({ eventGroupId, events }) => [eventGroupId, events]),
        [["g", 3]],
      );
      await second.releaseGroupedEvents("g");
      await seen.ran(3);
      assert.deepEqual(seen.data, [1, 2, 3]);
    },
  },
  {
    id: "finished-elsewhere",
    name: "a release that was begun and not finished is finished by another bus",
    promise: "guarantee: an instance that finds a marked group unfinished finishes it",
    when: all(groupsOnBus, durable),
    // The bus looks every five seconds.
    limitMs: () => 20_000,
    async run(context) {
      const provider = await context.create();
      const instance = await context.started(provider);
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await bus.emit([1, 2].map((data) => grouped("g", data)));
      // A process that marked the group, claimed it for a moment, and died.
      await provider.groups?.mark("g");
      await provider.groups?.claim({ eventGroupId: "g", leaseMs: 200 });
      await instance.stop(0);
      await seen.ran(2);
      await settled(context, bus);
      assert.equal(seen.runs.length, 2);
    },
  },
]);
