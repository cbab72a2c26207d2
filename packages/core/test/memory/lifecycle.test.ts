import { EventEmitter } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { silentLogger } from "../../src/contract/logger.ts";
import type { ProviderContext, Settlement } from "../../src/contract/provider.ts";
import { isBusbarError } from "../../src/errors/errors.ts";
import { createMemoryProvider } from "../../src/memory/memory-provider.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import {
  ACK,
  acknowledging,
  consumer,
  DEAD,
  envelope,
  envelopes,
  openRuns,
  retry,
  startProvider,
  subscription,
} from "./harness.ts";

/** Whether a promise is fulfilled, once all that can run has run. */
function watch(promise: Promise<unknown>) {
  const watched = { done: false };
  void promise.then(() => (watched.done = true));
  return watched;
}

describe("start", () => {
  const context: ProviderContext = {
    logger: silentLogger,
    clock: createManualClock(),
    namespace: "test",
    instanceId: "1",
    deadLetters: { maxPerSubscription: 1, maxAgeMs: 1 },
    orphanedAfterMs: 1,
    report() {},
  };
  const create = () => createMemoryProvider({ name: "memory", channel: new EventEmitter() });

  test("is refused twice, and after a stop", async () => {
    const provider = create();
    await provider.start(context);
    await expect(provider.start(context)).rejects.toThrow(TypeError);
    await provider.stop({ graceMs: 0 });
    await expect(provider.start(context)).rejects.toThrow(TypeError);
  });

  test("works after a stop that came before it", async () => {
    const provider = create();
    await provider.stop({ graceMs: 1_000 });
    await provider.start(context);
    expect(await provider.probe()).toEqual({ ok: true });
  });

  test.each(["before start", "after stop"])("nothing is published or consumed %s", async (when) => {
    const provider = create();
    if (when === "after stop") {
      await provider.start(context);
      await provider.stop({ graceMs: 0 });
    }
    const notRunning = expect.objectContaining({ code: "BUSBAR_NOT_RUNNING" });
    const options = { deadline: 1, inHandler: false };
    await expect(provider.publish([envelope("1")], options)).rejects.toEqual(notRunning);
    await expect(provider.consume(consumer("mail"), async () => ACK)).rejects.toEqual(notRunning);
    const declared = provider.subscriptions.declare([subscription("mail")]);
    await expect(declared).rejects.toSatisfy((error) => isBusbarError(error, "BUSBAR_NOT_RUNNING"));
    expect(await provider.probe()).toEqual({
      ok: false,
      detail: `Provider "memory" is not running`,
    });
  });

  test.each([0, -1, 1.5, NaN])("a maxPending of %s is a mistake", (maxPending) => {
    const options = { name: "memory", channel: new EventEmitter(), maxPending };
    expect(() => createMemoryProvider(options)).toThrow(TypeError);
  });
});

describe("close of a consumer", () => {
  test("takes nothing new and waits for what is in hand", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    const handle = await provider.consume(consumer("mail", { concurrency: 1 }), runs.deliver);
    await publish(...envelopes(2));
    await idle();
    const closed = watch(handle.close({ graceMs: 1_000 }));
    await idle();
    expect(closed.done).toBe(false);
    runs.run("1").settle(ACK);
    await idle();
    expect(closed.done).toBe(true);
    expect(runs.started).toEqual(["1"]);
    expect(clock.pendingTimers()).toBe(0);
    expect(await provider.admin.stats()).toMatchObject([{ ready: 1, inFlight: 0 }]);
  });

  test("hands back what hangs, in its old place, and passes its late settlement over", async () => {
    const { provider, clock, publish } = await startProvider();
    const hanging = openRuns();
    const handle = await provider.consume(consumer("mail", { concurrency: 2 }), hanging.deliver);
    await publish(...envelopes(3));
    await idle();
    hanging.run("1").crash();
    await idle();
    const closed = watch(handle.close({ graceMs: 1_000 }));
    await clock.advance(1_000);
    expect(closed.done).toBe(true);

    const runs = openRuns();
    await provider.consume(consumer("mail"), runs.deliver);
    await idle();
    expect(runs.inHand).toEqual(["1", "2", "3"]);
    expect(runs.run("1")).toMatchObject({ crashes: 1 });
    expect(runs.run("2")).toMatchObject({ crashes: 0 });
    hanging.run("1").settle(DEAD);
    await idle();
    expect(await provider.admin.stats()).toMatchObject([{ inFlight: 3, dead: 0 }]);
  });

  test("may be called again, and is over at once with nothing in hand", async () => {
    const { provider } = await startProvider();
    const handle = await provider.consume(consumer("mail"), async () => ACK);
    const closed = handle.close({ graceMs: 1_000 });
    await Promise.all([closed, handle.close({ graceMs: 0 })]);
  });

  test("leaves the subscription to another consumer", async () => {
    const { provider, publish } = await startProvider();
    const [one, other] = [acknowledging(), acknowledging()];
    const handle = await provider.consume(consumer("mail"), one.deliver);
    await provider.consume(consumer("mail"), other.deliver);
    await handle.close({ graceMs: 0 });
    await publish(...envelopes(3));
    await idle();
    expect(other.seen).toEqual(["1", "2", "3"]);
  });
});

describe("stop", () => {
  test("first delivers what is ready, in flight and due before its deadline", async () => {
    const { provider, clock, publish, reports } = await startProvider();
    const seen: string[] = [];
    let failed = false;
    await provider.consume(consumer("mail", { ordering: "key" }), async (delivery) => {
      if (delivery.envelope.id === "1" && !failed) {
        failed = true;
        return retry(300);
      }
      seen.push(delivery.envelope.id);
      return ACK;
    });
    await publish(
      envelope("1", { orderingKey: "a" }),
      envelope("2", { orderingKey: "a" }),
      envelope("3"),
      envelope("4", { delayMs: 900 }),
    );
    const stopped = watch(provider.stop({ graceMs: 1_000 }));
    await clock.advance(899);
    expect(seen).toEqual(["3", "1", "2"]);
    expect(stopped.done).toBe(false);
    await clock.advance(1);
    expect(seen).toEqual(["3", "1", "2", "4"]);
    expect(stopped.done).toBe(true);
    expect(reports).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("delivers what handlers publish meanwhile", async () => {
    const { provider, publish } = await startProvider();
    const seen: string[] = [];
    await provider.consume(consumer("mail"), async (delivery) => {
      seen.push(delivery.envelope.id);
      if (seen.length < 4) await publish(envelope(String(seen.length)));
      return ACK;
    });
    await publish(envelope("0"));
    await provider.stop({ graceMs: 1_000 });
    expect(seen).toEqual(["0", "1", "2", "3"]);
  });

  test("does not wait for what is due later, and reports it as discarded", async () => {
    const { provider, clock, publish, reports } = await startProvider();
    await provider.consume(consumer("mail"), acknowledging().deliver);
    await provider.subscriptions.declare([subscription("nobody's")]);
    await publish(envelope("1"), envelope("2", { delayMs: 1_001 }));
    await provider.stop({ graceMs: 1_000 });
    expect(reports).toEqual([
      { type: "discarded", subscriptionId: "mail", count: 1 },
      { type: "discarded", subscriptionId: "nobody's", count: 2 },
    ]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("ends at its deadline while handlers hang, and reports what they had", async () => {
    const { provider, clock, publish, reports } = await startProvider();
    const runs = openRuns();
    await provider.consume(consumer("mail", { concurrency: 2 }), runs.deliver);
    await publish(...envelopes(5));
    await idle();
    const stopped = watch(provider.stop({ graceMs: 1_000 }));
    await clock.advance(999);
    expect(stopped.done).toBe(false);
    await clock.advance(1);
    expect(stopped.done).toBe(true);
    expect(reports).toEqual([{ type: "discarded", subscriptionId: "mail", count: 5 }]);
    runs.run("1").settle(ACK);
    await idle();
    expect(runs.started).toEqual(["1", "2"]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("waits for a consumer that is closing, and ends its close", async () => {
    const { provider, clock, publish } = await startProvider();
    const runs = openRuns();
    const handle = await provider.consume(consumer("mail"), runs.deliver);
    await publish(envelope("1"));
    await idle();
    const closed = watch(handle.close({ graceMs: 60_000 }));
    const stopped = watch(provider.stop({ graceMs: 1_000 }));
    await clock.advance(999);
    expect(stopped.done).toBe(false);
    await clock.advance(1);
    expect([stopped.done, closed.done]).toEqual([true, true]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("does not wait for a key that a dead letter blocks", async () => {
    const { provider, publish, reports } = await startProvider();
    const blocking = { ordering: "key", onOrderedFailure: "block" } as const;
    await provider.consume(consumer("mail", blocking), async (): Promise<Settlement> => DEAD);
    await publish(envelope("1", { orderingKey: "a" }), envelope("2", { orderingKey: "a" }));
    await provider.stop({ graceMs: 1_000 });
    expect(reports).toEqual([{ type: "discarded", subscriptionId: "mail", count: 1 }]);
  });

  test("ends as soon as the last that falls due has joined a key that is blocked", async () => {
    const { provider, clock, publish } = await startProvider();
    const blocking = { ordering: "key", onOrderedFailure: "block" } as const;
    await provider.consume(consumer("mail", blocking), async (): Promise<Settlement> => DEAD);
    const delayMs = 100;
    await publish(
      envelope("1", { orderingKey: "a" }),
      envelope("2", { orderingKey: "a", delayMs }),
    );
    const stopped = watch(provider.stop({ graceMs: 1_000 }));
    await clock.advance(99);
    expect(stopped.done).toBe(false);
    await clock.advance(1);
    expect(stopped.done).toBe(true);
  });

  test("may be called again, and leaves neither timer nor listener", async () => {
    const channel = new EventEmitter();
    const { provider, clock, publish } = await startProvider({ channel });
    await provider.consume(consumer("mail"), async (): Promise<Settlement> => DEAD);
    await publish(envelope("1"), envelope("2", { delayMs: 60_000 }));
    const stopped = provider.stop({ graceMs: 1_000 });
    await Promise.all([stopped, provider.stop({ graceMs: 0 })]);
    expect(clock.pendingTimers()).toBe(0);
    expect(channel.eventNames()).toEqual([]);
    expect((await provider.admin.listDead("mail", { limit: 10 })).items.length).toBe(1);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("goes on when the bus throws at a report", async () => {
    const provider = createMemoryProvider({ name: "memory", channel: new EventEmitter() });
    const errors: string[] = [];
    await provider.start({
      logger: { ...silentLogger, error: (_, message) => void errors.push(message) },
      clock: createManualClock(),
      namespace: "test",
      instanceId: "1",
      deadLetters: { maxPerSubscription: 1, maxAgeMs: 1 },
      orphanedAfterMs: 1,
      report() {
        throw new Error("report");
      },
    });
    await provider.subscriptions.declare([subscription("mail")]);
    await provider.publish([envelope("1")], { deadline: Infinity, inHandler: false });
    await provider.stop({ graceMs: 0 });
    expect(errors.length).toBe(1);
  });
});

describe("memory", () => {
  test("100 000 delivered events leave nothing behind", async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const { provider, clock } = await startProvider();
    await provider.consume(consumer("plain"), async () => ACK);
    await provider.consume(consumer("keyed", { ordering: "key" }), async (delivery) => {
      return delivery.state === undefined ? retry(10, 1) : ACK;
    });
    const sample: WeakRef<object>[] = [];
    for (let number = 0; number < 100_000; number++) {
      const priority = number % 3 === 0 ? 10 : undefined;
      const event = envelope(String(number), { orderingKey: String(number % 500), priority });
      if (number % 1_000 === 0) sample.push(new WeakRef(event));
      await provider.publish([event], { deadline: Infinity, inHandler: false });
    }
    while ((await provider.admin.stats()).some((it) => it.ready + it.delayed + it.inFlight > 0)) {
      await clock.advance(10);
    }
    await idle();
    gc();
    expect(sample.filter((it) => it.deref() !== undefined).length).toBeLessThanOrEqual(1);
  }, 60_000);
});
