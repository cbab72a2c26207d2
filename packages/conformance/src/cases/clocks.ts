import assert from "node:assert/strict";
import type { Logger } from "@busbar/core";
import { ACK, consumer, dead, envelope, retry, subscription } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Inbox } from "../inbox.ts";
import { brings, can, delaysSomething, durable, has } from "../requirements.ts";
import { RunRecorder } from "../run-recorder.ts";
import { createSetClock } from "../set-clock.ts";
import { groupsOf, LEASE_MS, options, staged } from "../staged.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** By how much clocks are off, or set. */
const OFF_BY_MS = [-HOUR_MS, 10 * MINUTE_MS, 32 * DAY_MS] as const;

const DELAY_MS = 200;
const CLOCK_SLACK_MS = 3;

/** That an event came when its delay was over, and soon after. */
function assertInTime(
  context: CaseContext,
  inbox: Inbox,
  { id, from, delayMs }: { readonly id: string; readonly from: number; readonly delayMs: number },
): void {
  const tookMs = Math.round(inbox.last(id).at - from);
  assert.ok(tookMs >= delayMs - CLOCK_SLACK_MS, `${id} came after ${tookMs} ms already`);
  assert.ok(tookMs < delayMs + context.ms(3_000), `${id} came after ${tookMs} ms only`);
}

/** Nobody's clock is trusted: not to go on evenly, and not to agree with another. */
export const clocks: readonly ConformanceCase[] = defineCases("clocks", [
  {
    id: "delay",
    name: "a delay lasts as long as was asked for, however far off the clock of the emitter is",
    promise: "guarantee: what processes share goes by the server's clock",
    when: can("delay"),
    async run(context) {
      const runs = OFF_BY_MS.map(async (offByMs, index) => {
        const emitter = await context.start({ clock: createSetClock(offByMs) });
        const worker = await context.peerOf(emitter);
        const name = `order.${index}`;
        const inbox = await worker.consume(consumer(`mail-${index}`, { events: [name] }));
        const from = performance.now();
        const later = envelope(`off by ${offByMs} ms`, { name, delayMs: DELAY_MS });
        await emitter.publish(later, envelope("at once", { name }));
        await inbox.has([later.id, "at once"]);
        assertInTime(context, inbox, { id: later.id, from, delayMs: DELAY_MS });
      });
      await Promise.all(runs);
    },
  },
  {
    id: "delay-while-set",
    name: "a delay and a retry under way move with no clock that is set",
    promise: "guarantee: durations inside a process are monotonic",
    when: delaysSomething,
    async run(context) {
      const { delay, retryDelay } = context.capabilities;
      const runs = [-HOUR_MS, HOUR_MS].map(async (stepMs, index) => {
        const clock = createSetClock(0);
        const instance = await context.start({ clock });
        let failedAt = 0;
        // Due after the other, so that a timer is set for it when the clock has been set.
        const backoffMs = 1.5 * DELAY_MS;
        const name = `order.${index}`;
        const spec = consumer(`mail-${index}`, { events: [name] });
        const inbox = await instance.consume(spec, ({ id }, nth) => {
          if (id.startsWith("later") || nth > 1) return ACK;
          failedAt = performance.now();
          return retry(backoffMs);
        });
        const [later, again] = [`later ${stepMs}`, `again ${stepMs}`];
        const from = performance.now();
        if (delay) await instance.publish(envelope(later, { name, delayMs: DELAY_MS }));
        if (retryDelay) {
          await instance.publish(envelope(again, { name }));
          await inbox.has([again]);
          await inbox.idle();
        }
        clock.step(stepMs);
        await inbox.received((delay ? 1 : 0) + (retryDelay ? 2 : 0));
        if (delay) assertInTime(context, inbox, { id: later, from, delayMs: DELAY_MS });
        if (!retryDelay) return;
        assertInTime(context, inbox, { id: again, from: failedAt, delayMs: backoffMs });
      });
      await Promise.all(runs);
    },
  },
  {
    id: "publish",
    name: "a publish is in time, however far the clock is set while it is under way",
    promise: "contract: the deadline is on the scale of clock.monotonic()",
    async run(context) {
      const clock = createSetClock(0);
      const instance = await context.start({ clock });
      const inbox = await instance.consume(consumer("mail"));
      for (const [index, stepMs] of [HOUR_MS, -2 * HOUR_MS].entries()) {
        const published = instance.publish(envelope(`during ${index}`));
        clock.step(stepMs);
        await published;
        await instance.publish(envelope(`after ${index}`));
      }
      await inbox.has(["during 0", "after 0", "during 1", "after 1"]);
    },
  },
  {
    id: "withheld",
    name: "no event is withheld, whatever the clock says of who emits or of who declares",
    promise: "guarantee: what processes share goes by the server's clock",
    when: durable,
    async run(context) {
      const behind = await context.start({ clock: createSetClock(-32 * DAY_MS) });
      const ahead = await context.start({ clock: createSetClock(32 * DAY_MS) });
      await behind.declare(subscription("mail"));
      await ahead.declare(subscription("stock"));
      for (const instance of [behind, ahead, await context.start()]) {
        const [result] = await instance.publish(envelope("1"));
        assert.deepEqual(result, { status: "accepted", subscriptions: 2 });
        for (const { subscriptionId, orphaned, withheld } of await instance.registry.list()) {
          assert.deepEqual(
            { orphaned, withheld },
            { orphaned: false, withheld: 0 },
            subscriptionId,
          );
        }
      }
    },
  },
  {
    id: "dead-letters",
    name: "dead letters stay until they are old, whatever the clock says of who looks at them",
    promise: "guarantee: what processes share goes by the server's clock",
    when: has("admin"),
    async run(context) {
      const clock = createSetClock(0);
      const instance = await context.start({ clock });
      const inbox = await instance.consume(consumer("mail"), () => dead());
      await instance.publish(envelope("1"));
      await instance.hasDead("mail", 1);
      clock.step(32 * DAY_MS);
      await instance.publish(envelope("2"));
      await instance.hasDead("mail", 2);
      const other = context.capabilities.durable
        ? await context.start({ clock: createSetClock(64 * DAY_MS) })
        : instance;
      await other.declare(subscription("mail"));
      await other.hasDead("mail", 2);
      assert.deepEqual(instance.reports.filter(isDropped), []);
      await inbox.close();
    },
  },
  {
    id: "deduplication",
    name: "a deduplicationId is remembered for its time, whatever the clock says of who emits",
    promise: "guarantee: what processes share goes by the server's clock",
    when: can("deduplication"),
    async run(context) {
      const clock = createSetClock(0);
      const instance = await context.start({ clock });
      const inbox = await instance.consume(consumer("mail"));
      const deduplicationId = "once";
      await instance.publish(envelope("1", { deduplicationId }));
      clock.step(32 * DAY_MS);
      const peer = context.capabilities.durable
        ? await context.start({ clock: createSetClock(64 * DAY_MS) })
        : instance;
      for (const emitter of [instance, peer]) {
        const [result] = await emitter.answers([envelope("2", { deduplicationId })]);
        assert.equal(result?.status, "duplicate");
      }
      await instance.nothingMore(inbox);
      assert.equal(inbox.times("2"), 0);
    },
  },
  {
    id: "groups",
    name: "a claim on a group lasts as long as its lease, whatever the clock says of who else claims",
    promise: "guarantee: what processes share goes by the server's clock",
    when: has("groups"),
    async run(context) {
      const { instance, groups, stage, inbox } = await staged(context);
      await stage("g", "1");
      await groups.mark("g");
      const claim = await groups.claim({ eventGroupId: "g", leaseMs: LEASE_MS });
      assert.ok(claim);
      const clock = createSetClock(32 * DAY_MS);
      const peer = context.capabilities.durable ? await context.start({ clock }) : instance;
      const other = await groupsOf(peer).claim({ eventGroupId: "g", leaseMs: LEASE_MS });
      assert.equal(other, undefined, "the claim has not ended");
      const envelopes = claim.events.map((it) => it.envelope);
      await groups.complete(claim, envelopes, options());
      await inbox.has(["1"]);
    },
  },
  {
    id: "server-time",
    name: "a clock that differs from the server's is warned of once, and shown",
    promise: "guarantee: a skew is measured, warned of and shown",
    when: durable,
    async run(context) {
      for (const offByMs of [0, HOUR_MS]) {
        const warnings: object[] = [];
        const { logger: inner } = context.secrets;
        const logger: Logger = {
          ...inner,
          warn(fields, message) {
            if ("aheadMs" in fields) warnings.push(fields);
            inner.warn(fields, message);
          },
        };
        const bus = await context.bus({ clock: createSetClock(offByMs), logger });
        await context.waiting.for("start", bus.start());
        let aheadMs: number | undefined;
        await context.waiting.eventually("the skew to be shown", async () => {
          aheadMs = (await bus.health()).clockSkews?.[0]?.aheadMs;
          return aheadMs !== undefined;
        });
        const errorMs = Math.abs((aheadMs ?? 0) - offByMs);
        assert.ok(errorMs < 5_000, `it is off by ${offByMs} ms, and said to be by ${aheadMs} ms`);
        assert.equal(warnings.length, offByMs === 0 ? 0 : 1);
        assert.equal((await bus.health()).status, "up", "events are timed by the server");
      }
    },
  },
  {
    id: "own",
    name: "a bus lives by the clock that its provider brings, if it is given none",
    promise: "contract: EventProvider.clock",
    when: brings("clock"),
    async run(context) {
      const provider = await context.create();
      const { clock } = provider;
      assert.ok(clock);
      const bus = await context.bus({ provider, clock: undefined });
      const seen = new RunRecorder(context);
      bus.subscribe("a", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      const [from, monotonicFrom] = [clock.now(), clock.monotonic()];
      await bus.emit("a", 1);
      await seen.ran(1);
      const at = seen.runs[0]?.event.metadata.createdAt?.getTime() ?? 0;
      assert.ok(at >= from && at <= clock.now(), `${at} is a time of that clock`);
      assert.ok(clock.monotonic() >= monotonicFrom, "monotonic() does not go back");
    },
  },
  {
    id: "own-random",
    name: "the random numbers that a provider brings are at least 0 and below 1",
    promise: "contract: EventProvider.random",
    when: brings("random"),
    async run(context) {
      const { random } = await context.create();
      assert.ok(random);
      for (let draw = 0; draw < 1_000; draw++) {
        const number = random();
        assert.ok(number >= 0 && number < 1, `${number} is at least 0 and below 1`);
      }
    },
  },
  {
    id: "none-of-its-own",
    name: "a durable provider brings the bus neither a clock nor random numbers",
    promise: "contract: EventProvider.clock, other processes do not live in its time",
    when: durable,
    async run(context) {
      const { clock, random } = await context.create();
      assert.deepEqual([clock, random], [undefined, undefined]);
    },
  },
  {
    id: "long-run",
    name: "a handler that works for long keeps its delivery, although the clock of its process is set",
    promise: "guarantee: durations inside a process are monotonic",
    when: durable,
    limitMs: ({ redeliverAfterMs }) => 15_000 + 2 * redeliverAfterMs,
    async run(context) {
      const ways = [
        { id: "back", stepMs: -HOUR_MS },
        { id: "forward", stepMs: HOUR_MS },
      ];
      const other = await context.start();
      const runs = [];
      for (const { id, stepMs } of ways) {
        const clock = createSetClock(0);
        const instance = await context.start({ clock });
        const spec = consumer(id, { events: [id] });
        const inbox = await instance.consume(spec, "hold");
        await instance.publish(envelope(id, { name: id }));
        await inbox.holds(1);
        const idle = await other.consume(spec);
        clock.step(stepMs);
        runs.push({ id, instance, inbox, idle });
      }
      // Only time can show that a lease is renewed.
      const { redeliverAfterMs } = context.capabilities;
      await new Promise((resolve) => setTimeout(resolve, redeliverAfterMs * 1.5 + 100));
      for (const { id, instance, inbox, idle } of runs) {
        assert.equal(inbox.times(id), 1, `the clock was set ${id}`);
        assert.equal(idle.times(id), 0, `the clock was set ${id}`);
        inbox.last(id).settle(ACK);
        await instance.hasStats(id, { ready: 0, delayed: 0, inFlight: 0, dead: 0 });
      }
    },
  },
]);

function isDropped({ type }: { readonly type: string }): boolean {
  return type === "dead-letters-dropped";
}
