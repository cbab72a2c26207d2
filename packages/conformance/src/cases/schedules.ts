import assert from "node:assert/strict";
import type { Schedule } from "@busbar/core";
import type { PublishOptions, ScheduleStore, StoredSchedule } from "@busbar/core/provider";
import { consumer, envelope, envelopes, EVENT } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Instance } from "../instance.ts";
import { all, can, durable, has, inProcess, lacks } from "../requirements.ts";
import { type Run, RunRecorder } from "../run-recorder.ts";

const STORE = "contract: ScheduleStore";
const SCHEDULES =
  "bus: one event for each due time of a schedule, however many processes there are";

export const schedules: readonly ConformanceCase[] = defineCases("schedules", [
  {
    id: "keeps",
    name: "a schedule is listed everywhere as it was written last, and a write that has not seen the last one does nothing",
    promise: STORE,
    when: has("schedules"),
    async run(context) {
      const instance = await context.start();
      const [one, other] = [storeOf(instance), storeOf(await context.peerOf(instance))];
      assert.deepEqual(await one.list(), []);
      const record = { of: "ночь", list: [1, null, { deep: true }], none: {}, at: 1.5 };
      assert.equal(await one.write({ id: "nightly", record, dueAt: 1_000 }, undefined), true);
      assert.equal(await one.write({ id: "other", record: {} }, undefined), true);
      assert.equal(await other.write({ id: "nightly", record: {} }, undefined), false, "it exists");
      const first = await found(other, "nightly");
      assert.deepEqual([first.record, first.dueAt], [record, 1_000]);
      assert.equal((await found(other, "other")).dueAt, undefined);
      assert.equal(await other.write({ id: "nightly", record: { n: 2 } }, first.version), true);
      assert.equal(await one.write({ id: "nightly", record: { n: 3 } }, first.version), false);
      const second = await found(one, "nightly");
      assert.deepEqual([second.record, second.dueAt], [{ n: 2 }, undefined]);
      assert.equal(await one.remove("nightly"), true);
      assert.equal(await one.remove("nightly"), false);
      assert.equal(await other.write({ id: "nightly", record: {} }, second.version), false);
      assert.equal(await other.write({ id: "nightly", record: {} }, undefined), true);
      const { version } = await found(one, "nightly");
      assert.ok(![first.version, second.version].includes(version), "the version is another");
      assert.deepEqual((await one.list()).map(({ id }) => id).toSorted(), ["nightly", "other"]);
    },
  },
  {
    id: "due",
    name: "schedules whose time has come are due, the earliest first, and the time of the next one is known",
    promise: STORE,
    when: has("schedules"),
    async run(context) {
      const instance = await context.start();
      const [one, other] = [storeOf(instance), storeOf(await context.peerOf(instance))];
      const { now, ...none } = await one.due(10);
      assert.deepEqual([none.schedules, none.nextDueAt], [[], undefined]);
      const serverTime = (await instance.provider.serverTime?.()) ?? now;
      assert.ok(Math.abs(serverTime - now) < context.ms(10_000), "the time is the server's");
      const ahead = [-1_000, 120_000, -3_000, 60_000, -2_000];
      for (const ms of ahead) {
        await one.write({ id: `at ${ms}`, record: { ms }, dueAt: now + ms }, undefined);
      }
      await one.write({ id: "never", record: {} }, undefined);
      const all = await other.due(10);
      const ids = all.schedules.map(({ id }) => id);
      assert.deepEqual(ids, ["at -3000", "at -2000", "at -1000"]);
      assert.deepEqual(all.schedules[0], await found(one, "at -3000"));
      assert.equal(all.nextDueAt, now + 60_000);
      const some = await other.due(2);
      assert.deepEqual(
        some.schedules.map(({ id }) => id),
        ["at -3000", "at -2000"],
      );
    },
  },
  {
    id: "becomes-due",
    name: "a schedule is due when its time has come on the server, and not before",
    promise: STORE,
    when: has("schedules"),
    async run(context) {
      const store = storeOf(await context.start());
      const dueAt = (await store.due(1)).now + 80;
      await store.write({ id: "soon", record: {}, dueAt }, undefined);
      let last: Awaited<ReturnType<ScheduleStore["due"]>> | undefined;
      await context.waiting.eventually(
        () => `the schedule to be due (it was ${JSON.stringify(last)})`,
        async () => {
          last = await store.due(1);
          const isDue = last.schedules.length > 0;
          assert.equal(isDue, last.now >= dueAt, "it is due once its time has come");
          assert.equal(last.nextDueAt, isDue ? undefined : dueAt);
          return isDue;
        },
      );
    },
  },
  {
    id: "fire",
    name: "firing publishes as publish does and writes the schedule, and does neither after another write",
    promise: STORE,
    when: has("schedules"),
    async run(context) {
      const instance = await context.start();
      const peer = await context.peerOf(instance);
      const [one, other] = [storeOf(instance), storeOf(peer)];
      const inbox = await instance.consume(consumer("mail"));
      await one.write({ id: "nightly", record: { n: 1 }, dueAt: 1_000 }, undefined);
      const { version } = await found(one, "nightly");
      const written = { id: "nightly", record: { n: 2 }, dueAt: 2_000 };
      const batch = envelopes(2, "due-");
      const results = await other.fire(written, version, batch, options(context));
      assert.deepEqual(results, [
        { status: "accepted", subscriptions: 1 },
        { status: "accepted", subscriptions: 1 },
      ]);
      await inbox.has(["due-1", "due-2"]);
      const { envelope: delivered } = inbox.last("due-2").delivery;
      assert.deepEqual(delivered.data, batch[1]?.data);
      assert.deepEqual(delivered.metadata, batch[1]?.metadata);
      const after = await found(one, "nightly");
      assert.deepEqual([after.record, after.dueAt], [{ n: 2 }, 2_000]);
      assert.notEqual(after.version, version);
      const late = { id: "nightly", record: { n: 3 } };
      const lost = await one.fire(late, version, envelopes(1, "late-"), options(context));
      assert.equal(lost, undefined, "the version is not the last one");
      await one.remove("nightly");
      const removed = await one.fire(late, after.version, envelopes(1, "gone-"), options(context));
      assert.equal(removed, undefined, "there is no such schedule");
      assert.deepEqual(await one.list(), []);
      const unwanted = { id: "unwanted", record: {} };
      await one.write(unwanted, undefined);
      const unrouted = await one.fire(
        unwanted,
        (await found(one, "unwanted")).version,
        [envelope("nobody", { name: "nobody.wants" })],
        options(context),
      );
      assert.deepEqual(unrouted, [{ status: "accepted", subscriptions: 0 }]);
      await instance.nothingMore(inbox);
      assert.deepEqual(inbox.ids.slice(0, 2).toSorted(), ["due-1", "due-2"]);
      assert.equal(inbox.ids.length, 3, "each once, and the marker");
    },
  },
  {
    id: "fire-race",
    name: "of instances that fire the same schedule at the same time one publishes",
    promise: STORE,
    when: has("schedules"),
    async run(context) {
      const instance = await context.start();
      const others = [await context.peerOf(instance), await context.peerOf(instance)];
      const instances = [instance, ...others];
      const inbox = await instance.consume(consumer("mail"));
      const store = storeOf(instance);
      await store.write({ id: "nightly", record: { round: 0 } }, undefined);
      const winners: string[] = [];
      for (let round = 1; round <= 20; round += 1) {
        const { version } = await found(store, "nightly");
        const write = { id: "nightly", record: { round } };
        const ids = instances.map((_, index) => `${round}-by-${index}`);
        const fired = await Promise.all(
          ids.map((id, index) =>
            storeOf(instances[index] as Instance).fire(
              write,
              version,
              [envelope(id)],
              options(context),
            ),
          ),
        );
        const won = ids.filter((_, index) => fired[index] !== undefined);
        assert.equal(won.length, 1, `one instance fires, not ${won.join(" and ")}`);
        winners.push(...won);
      }
      await inbox.has(winners);
      await instance.nothingMore(inbox);
      assert.deepEqual(inbox.ids.slice(0, -1).toSorted(), winners.toSorted());
    },
  },
  {
    id: "fire-refused",
    name: "if an envelope is refused, firing publishes none, and the schedule stays as it was",
    promise: STORE,
    when: all(has("schedules"), can("targets")),
    async run(context) {
      const instance = await context.start();
      const store = storeOf(instance);
      const inbox = await instance.consume(consumer("mail"));
      const before = { id: "nightly", record: { n: 1 }, dueAt: 1_000 };
      await store.write(before, undefined);
      const stored = await found(store, "nightly");
      const batch = [envelope("good"), envelope("bad", { to: ["nobody"] })];
      const write = { id: "nightly", record: { n: 2 } };
      const results = await store.fire(write, stored.version, batch, options(context));
      assert.equal(results?.length, 2, "there is one result per envelope");
      assert.equal(results[1]?.status, "rejected");
      assert.deepEqual(await found(store, "nightly"), stored);
      const good = await store.fire(write, stored.version, batch.slice(0, 1), options(context));
      assert.equal(good?.[0]?.status, "accepted");
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("good"), 1);
      assert.equal(inbox.times("bad"), 0);
    },
  },
  {
    id: "bus",
    name: "a schedule that one bus sets is fired, and is seen, paused and removed by another",
    promise: SCHEDULES,
    when: has("schedules"),
    async run(context) {
      const bus = await context.bus();
      const other = context.capabilities.durable ? await context.bus() : bus;
      const seen = new RunRecorder(context);
      bus.subscribe(EVENT, seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await other.start();
      const { startAt, schedule } = await soon(context);
      await other.schedules.set("tick", schedule);
      await bus.schedules.set("tick", schedule);
      await seen.ran(1);
      const { id, metadata } = (seen.runs[0] as Run).event;
      assert.equal(metadata.scheduleId, "tick");
      assert.equal(id, `tick@${metadata.dueAt}`);
      const afterMs = Date.parse(metadata.dueAt ?? "") - startAt.getTime();
      assert.ok(afterMs >= 0 && afterMs % 1_000 === 0, "the due times begin with startAt");
      await bus.schedules.pause("tick");
      const [listed] = await other.schedules.list();
      assert.equal(listed?.paused, true);
      assert.ok(listed.emitted >= 1);
      const eventId = await other.schedules.trigger("tick");
      await context.waiting.until("the event that is triggered", () =>
        seen.runs.some(({ event }) => event.id === eventId),
      );
      assert.equal(seen.runs.length, listed.emitted + 1);
      assert.equal(await other.schedules.remove("tick"), true);
      assert.deepEqual(await bus.schedules.list(), []);
    },
  },
  {
    id: "kill",
    name: "each due time leads to one event in three processes, one of which is killed",
    promise: SCHEDULES,
    when: all(has("schedules"), durable, inProcess),
    limitMs: ({ redeliverAfterMs }) => 20_000 + 2 * redeliverAfterMs,
    async run(context) {
      const bus = await context.bus();
      const seen = new RunRecorder(context);
      bus.subscribe(EVENT, seen.subscriber(), { subscriberId: "mail-of-the-case" });
      await bus.start();
      const { schedule } = await soon(context, { misfire: "all" });
      await bus.schedules.set("tick", schedule);
      const [killed] = await Promise.all([context.idler(), context.idler()]);
      await seen.ran(1);
      await killed.kill();
      await seen.ran(3);
      await bus.schedules.pause("tick");
      const { emitted = 0 } = (await bus.schedules.get("tick")) ?? {};
      await seen.ran(emitted);
      const due = seen.runs
        .map(({ event }) => Date.parse(event.metadata.dueAt ?? ""))
        .toSorted((a, b) => a - b);
      const expected = due.map((_, index) => (due[0] ?? 0) + index * 1_000);
      assert.deepEqual(due, expected, "each due time once");
    },
  },
  {
    id: "refused",
    name: "a provider that keeps no schedules has them refused by the bus",
    promise: "guarantee: unsupported is an error",
    when: lacks("schedules"),
    async run(context) {
      const schedule: Schedule = { everyMs: 1_000, event: EVENT, data: null };
      const refusal = { code: "BUSBAR_UNSUPPORTED" };
      const bus = await context.bus();
      await bus.start();
      await assert.rejects(bus.schedules.set("tick", schedule), refusal);
      await assert.rejects(bus.schedules.list(), refusal);
      const other = await context.bus({ schedules: { tick: schedule } });
      await assert.rejects(other.start(), refusal);
    },
  },
]);

function storeOf({ provider }: Instance): ScheduleStore {
  assert.ok(provider.schedules, "the provider keeps schedules");
  return provider.schedules;
}

async function found(store: ScheduleStore, id: string): Promise<StoredSchedule> {
  const schedule = (await store.list()).find((it) => it.id === id);
  assert.ok(schedule, `the schedule "${id}" is listed`);
  return schedule;
}

function options(context: CaseContext): PublishOptions {
  return { deadline: performance.now() + context.ms(10_000), inHandler: false };
}

/** A schedule that is due soon by the clock of the server, and then every second. */
async function soon(
  context: CaseContext,
  more: Pick<Schedule, "misfire"> = {},
): Promise<{ readonly startAt: Date; readonly schedule: Schedule }> {
  const { now } = await storeOf(await context.start()).due(1);
  const startAt = new Date(now + 100);
  return { startAt, schedule: { everyMs: 1_000, event: EVENT, data: null, startAt, ...more } };
}
