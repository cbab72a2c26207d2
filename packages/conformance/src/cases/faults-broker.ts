import assert from "node:assert/strict";
import type { EventBus } from "@busbar/core";
import { consumer, dead, envelope, subscription } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { Instance } from "../instance.ts";
import { RunRecorder } from "../run-recorder.ts";
import { all, can, connected, durable, has } from "../requirements.ts";
import { pause } from "../waiting.ts";
import { cut, heal } from "./broken-connection.ts";

/** Emits until the event is accepted, under one id: what one does after an unknown outcome. */
async function emitInsistently(context: CaseContext, bus: EventBus, data: number): Promise<void> {
  let last: unknown;
  await context.waiting.eventually(
    () => `an emit to be accepted (the last error was ${String(last)})`,
    async () => {
      try {
        await bus.emit({ id: `event-${data}`, name: "order.placed", data });
        return true;
      } catch (error) {
        last = error;
        return false;
      }
    },
  );
}

/** The broker is restarted, where there is one; elsewhere every instance is. */
async function restarted(context: CaseContext, instance: Instance): Promise<Instance> {
  if (!context.faults.restart) {
    await instance.stop(100);
    return context.start();
  }
  await context.waiting.for("the restart of the broker", context.faults.restart());
  await eventuallyPublishes(context, instance);
  return instance;
}

/** Resolves when what is ready to run has run. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves once the instance has reached its broker again. */
async function eventuallyPublishes(context: CaseContext, instance: Instance): Promise<void> {
  await context.waiting.eventually("a publish to be accepted again", async () => {
    try {
      const probe = envelope("again", { name: "nobody.cares" });
      const options = { deadline: performance.now() + 2_000 };
      const publish = instance.answers([probe], options);
      const [result] = await context.waiting.within("a publish", context.ms(5_000), publish);
      return result?.status === "accepted";
    } catch {
      return false;
    }
  });
}

export const brokerFaults: readonly ConformanceCase[] = defineCases("faults", [
  {
    id: "restart-keeps",
    name: "dead letters, backlogs and the subscription list survive a restart",
    promise: "contract: durable",
    when: all(durable, has("admin")),
    alone: true,
    limitMs: ({ redeliverAfterMs }) => 30_000 + 2 * redeliverAfterMs,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("fails"), () => dead("before", { a: 1 }));
      await instance.declare(subscription("waits"));
      await instance.publish(envelope("1"));
      await instance.hasDead("fails", 1);
      await inbox.close();
      const after = await restarted(context, instance);
      const [letter] = await after.hasDead("fails", 1);
      assert.deepEqual(
        [letter?.reason, letter?.state, letter?.envelope.id],
        ["before", { a: 1 }, "1"],
      );
      const waits = await after.consume(consumer("waits"));
      await waits.has(["1"]);
      const [result] = await after.publish(envelope("2"));
      assert.deepEqual(result, { status: "accepted", subscriptions: 2 });
      assert.equal(await after.admin.replayDead("fails", [letter?.id ?? ""]), 1);
    },
  },
  {
    id: "restart-keeps-delayed",
    name: "a delayed event survives a restart, and is not early",
    promise: "contract: durable, and delayMs is honoured",
    when: all(durable, can("delay")),
    alone: true,
    limitMs: ({ redeliverAfterMs }) => 30_000 + 2 * redeliverAfterMs,
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const due = performance.now() + 1_500;
      await instance.publish(envelope("1", { delayMs: 1_500 }));
      const after = await restarted(context, instance);
      const inbox = await after.consume(consumer("mail"));
      await inbox.has(["1"]);
      assert.ok(inbox.last("1").at >= due - 3);
    },
  },
  {
    id: "restart-keeps-groups",
    name: "staged groups survive a restart",
    promise: "contract: groups are staged durably",
    when: all(durable, has("groups")),
    alone: true,
    limitMs: ({ redeliverAfterMs }) => 30_000 + 2 * redeliverAfterMs,
    async run(context) {
      const instance = await context.start();
      const staged = [{ envelope: envelope("1") }, { envelope: envelope("2") }];
      await instance.provider.groups?.stage("g", staged, { ttlMs: undefined });
      await instance.provider.groups?.mark("g");
      const after = await restarted(context, instance);
      const claim = await after.provider.groups?.claim({ leaseMs: 10_000 });
      assert.deepEqual(
        claim?.events.map((it) => it.envelope.id),
        ["1", "2"],
      );
    },
  },
  {
    id: "cut",
    name: "while the connection is cut an emit rejects in time, and after it all goes on by itself",
    promise: "guarantee: emit never hangs; contract: it reconnects by itself for ever",
    when: connected,
    alone: true,
    limitMs: ({ redeliverAfterMs }, { cutMs }) => 60_000 + 2 * redeliverAfterMs + cutMs,
    async run(context) {
      const bus = await context.bus({ emitTimeoutMs: 500 });
      const seen = new RunRecorder(context);
      bus.subscribe("order.placed", seen.subscriber(), { subscriberId: "mail" });
      await bus.start();
      await bus.emit("order.placed", "before");
      await seen.ran(1);
      await cut(context);
      const from = performance.now();
      await assert.rejects(
        context.waiting.for("an emit without a connection", bus.emit("order.placed", "during")),
        (error: { code?: string }) => /^BUSBAR_(EMIT_TIMEOUT|UNAVAILABLE)$/.test(error.code ?? ""),
      );
      assert.ok(performance.now() - from < 500 + context.ms(1_500), "within emitTimeoutMs");
      await pause(context.load.cutMs - (performance.now() - from));
      await heal(context);
      await emitInsistently(context, bus, 1);
      await context.waiting.until("events after the cut", () => seen.data.includes(1));
    },
  },
  {
    id: "cut-reports",
    name: "a cut is reported as a state, and so is its end",
    promise: "contract: ProviderReport state",
    when: connected,
    alone: true,
    limitMs: () => 60_000,
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      await cut(context);
      const last = (): string | undefined =>
        instance.reports.flatMap((it) => (it.type === "state" ? [it.state] : [])).at(-1);
      await context.waiting.until(
        () => `a report that it is not ready (the last was ${last() ?? "none"})`,
        () => !["ready", undefined].includes(last()),
      );
      await heal(context);
      await context.waiting.until("a report that it is ready", () => last() === "ready");
    },
  },
  {
    id: "cut-in-hand",
    name: "what is in hand during a cut is not lost, and no other subscription suffers",
    promise: "guarantee: at least once, per subscription",
    when: connected,
    alone: true,
    limitMs: ({ redeliverAfterMs }) => 60_000 + 2 * redeliverAfterMs,
    async run(context) {
      const instance = await context.start();
      const held = await instance.consume(consumer("held"), "hold");
      const other = await instance.consume(consumer("other"));
      await instance.publish(envelope("1"), envelope("2"));
      await held.holds(2);
      await cut(context);
      // One is settled while nobody can hear of it, the other after the cut.
      held.last("1").settle({ type: "ack" });
      await instance.silence();
      await heal(context);
      held.last("2").settle({ type: "ack" });
      await eventuallyPublishes(context, instance);
      await instance.publish(envelope("3"));
      await other.has(["1", "2", "3"]);
      await context.numbers.eventually("an empty queue", async () => {
        held.settleAll();
        const stats = await instance.stats("held");
        return stats.ready + stats.delayed + stats.inFlight === 0;
      });
      await held.has(["1", "2", "3"]);
      assert.deepEqual(await instance.dead("held"), []);
    },
  },
  {
    id: "answer-lost",
    name: "what is published again after a lost answer, under its deduplicationId, comes once",
    promise: "bus: emitting again after an unknown outcome; deduplicationId deduplicates",
    when: all(connected, can("deduplication")),
    alone: true,
    limitMs: () => 60_000,
    async run(context) {
      const instance = await context.start();
      await instance.declare(subscription("mail"));
      const ids = Array.from({ length: 200 }, (_, index) => `event-${index}`);
      let [begun, again] = [0, 0];
      const insistently = async (id: string): Promise<void> => {
        const it = envelope(id, { deduplicationId: id });
        await context.waiting.eventually(`an answer to the publish of ${id}`, async () => {
          const options = { deadline: performance.now() + 2_000 };
          const results = await instance.answers([it], options).catch(() => []);
          if (results[0]?.status === "duplicate") again += 1;
          return results[0] !== undefined && results[0].status !== "rejected";
        });
      };
      const publisher = async (): Promise<void> => {
        while (begun < ids.length) {
          const number = begun++;
          const published = insistently(ids[number] ?? "");
          if (number % 10 === 9) {
            // Each time a little later, so that some answers are lost on their way.
            for (let turns = (number - 9) / 10; turns > 0; turns--) await nextTurn();
            await cut(context);
            await heal(context);
          }
          await published;
        }
      };
      await Promise.all(Array.from({ length: 5 }, publisher));
      const inbox = await instance.consume(consumer("mail"));
      await inbox.has(ids);
      await instance.nothingMore(inbox);
      context.report(`${ids.length} events, of which ${again} were repeated and known as such`);
      assert.equal(inbox.ids.length, ids.length + 1, "each once, and the marker");
    },
  },
  {
    id: "away-at-start",
    name: "a provider that is started while its broker is away starts when it is back, or says so",
    promise: "contract: start resolves once an envelope could be published",
    when: connected,
    alone: true,
    limitMs: () => 60_000,
    async run(context) {
      await cut(context);
      const provider = await context.create();
      let started = false;
      const starting = provider.start(context.providerContext()).then(() => {
        started = true;
      });
      const outcome = starting.catch(() => {});
      await pause(500);
      assert.equal(started, false, "nothing could be published");
      await heal(context);
      await context.waiting.for("start to end one way or the other", outcome);
      // One that rejected is over; another one must start.
      const instance = started ? undefined : await context.start();
      const options = { deadline: performance.now() + context.ms(5_000), inHandler: false };
      const [result] = await (instance?.provider ?? provider).publish([envelope("1")], options);
      assert.equal(result?.status, "accepted");
    },
  },
  {
    id: "stop-while-away",
    name: "stop works while the broker is away, also when start has not ended",
    promise: "contract: stop is safe before start and works whatever hangs",
    when: connected,
    alone: true,
    limitMs: () => 30_000,
    async run(context) {
      const instance = await context.start();
      await instance.consume(consumer("mail"));
      await cut(context);
      const connecting = await context.create();
      const starting = connecting.start(context.providerContext()).catch(() => {});
      const limitMs = context.ms(8_000);
      await context.waiting.within("stop without a broker", limitMs, instance.stop(200));
      const stopping = connecting.stop({ graceMs: 200 });
      await context.waiting.within("stop while it starts", limitMs, stopping);
      await context.waiting.within("the end of that start", limitMs, starting);
      await heal(context);
    },
  },
]);
