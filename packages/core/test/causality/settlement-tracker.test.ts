import { expect, test } from "vitest";

import { OutgoingEnvelope } from "../../src/causality/outgoing-envelope.ts";
import { SettlementTracker } from "../../src/causality/settlement-tracker.ts";

const METADATA = { created_at: 0, published_at: 0, correlationId: "0" };

function envelope(id: string): OutgoingEnvelope {
  return new OutgoingEnvelope(id, "tick", null, METADATA);
}

/** Emits an event in the handler of another, and ends that handler. */
function emitNext(tracker: SettlementTracker, cause: OutgoingEnvelope, id: string) {
  const next = envelope(id);
  tracker.accepted(next, cause, 1);
  tracker.settled(cause, "ticker");
  return next;
}

function chain(tracker: SettlementTracker, length: number): OutgoingEnvelope {
  let last = envelope("0");
  tracker.accepted(last, undefined, 1);
  for (let link = 1; link < length; link += 1) last = emitNext(tracker, last, String(link));
  return last;
}

test("a chain of causes takes no more memory, however long it is", () => {
  const tracker = new SettlementTracker();
  const last = chain(tracker, 10_000);
  const { size } = tracker;
  expect(size).toBeLessThan(1_200);
  let tip = last;
  for (let link = 0; link < 10_000; link += 1) tip = emitNext(tracker, tip, `next-${link}`);
  expect(tracker.size).toBeLessThan(1_200);
  tracker.settled(tip, "ticker");
  expect(tracker.size).toBe(0);
  expect(tracker.isIdle).toBe(true);
});

test("the first event of a chain is settled with the last one", () => {
  const tracker = new SettlementTracker();
  const last = chain(tracker, 5_000);
  const [first] = tracker.withId("0");
  expect(first?.isSettled).toBe(false);
  tracker.settled(last, "ticker");
  expect(first?.isSettled).toBe(true);
});

test("an event in the middle that is waited for is not forgotten", () => {
  const tracker = new SettlementTracker();
  const middle = chain(tracker, 500);
  const [waited] = tracker.withId("499");
  waited!.waiters += 1;
  let tip = middle;
  for (let link = 0; link < 5_000; link += 1) tip = emitNext(tracker, tip, `next-${link}`);
  expect(tracker.size).toBeLessThan(1_300);
  expect(tracker.withId("499")).toEqual([waited]);
  expect(waited?.isSettled).toBe(false);
  tracker.settled(tip, "ticker");
  expect(waited?.isSettled).toBe(true);
  expect(tracker.size).toBe(0);
});

test("what an event causes late, after it was forgotten, counts for what came before it", () => {
  const tracker = new SettlementTracker();
  let tip = chain(tracker, 2);
  const forgotten = tip;
  for (let link = 0; link < 3_000; link += 1) tip = emitNext(tracker, tip, `next-${link}`);
  expect(tracker.withId("1")).toEqual([]);
  const late = envelope("late");
  tracker.accepted(late, forgotten, 1);
  tracker.settled(tip, "ticker");
  const [first] = tracker.withId("0");
  expect(first?.isSettled).toBe(false);
  tracker.settled(late, "ticker");
  expect(first?.isSettled).toBe(true);
  expect(tracker.size).toBe(0);
});

test("events whose descendants are open are remembered while they are few to those", () => {
  const tracker = new SettlementTracker();
  const root = envelope("root");
  tracker.accepted(root, undefined, 1);
  const open = Array.from({ length: 5_000 }, (_, index) => {
    const parent = envelope(`parent-${index}`);
    tracker.accepted(parent, root, 1);
    return emitNext(tracker, parent, `child-${index}`);
  });
  expect(tracker.withId("parent-0")).toHaveLength(1);
  expect(tracker.size).toBe(10_001);
  for (const child of open) tracker.settled(child, "s");
  tracker.settled(root, "s");
  expect(tracker.size).toBe(0);
});

test("describes a tree that is deeper and wider than it lists", () => {
  const tracker = new SettlementTracker();
  let parent = envelope("0");
  tracker.accepted(parent, undefined, 1);
  for (let level = 1; level < 50_000; level += 1) {
    const child = envelope(String(level));
    // Every one is still being handled.
    tracker.accepted(child, parent, 1);
    parent = child;
  }
  const { unsettled, omitted } = tracker.describe(undefined, () => []);
  let depth = 0;
  for (let events = unsettled; events[0]; events = events[0].children) depth += 1;
  expect(depth).toBe(20);
  expect(omitted).toBe(50_000 - 20);

  const wide = new SettlementTracker();
  for (let index = 0; index < 1_000; index += 1) {
    wide.accepted(envelope(String(index)), undefined, 1);
  }
  const all = wide.describe(undefined, () => []);
  expect(all.unsettled.map(({ id }) => id)).toEqual(
    Array.from({ length: 100 }, (_, index) => String(index)),
  );
  expect(all.omitted).toBe(900);
});

test("an event that is published twice under one id, and forgotten, is counted once", () => {
  const tracker = new SettlementTracker();
  chain(tracker, 10);
  // As a provider brings them back that makes envelopes of its own: ids have to do.
  const foreign = { id: "9", name: "tick", data: null, metadata: METADATA };
  tracker.settled(foreign, "ticker");
  expect(tracker.size).toBe(0);
});
