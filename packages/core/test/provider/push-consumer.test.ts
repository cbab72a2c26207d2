import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test, vi } from "vitest";
import type { Delivery, Settlement } from "../../src/contract/provider.ts";
import {
  createPushConsumer,
  type PushChannel,
  type PushConsumerOptions,
  type PushLink,
} from "../../src/provider/push-consumer.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";
import { watch } from "../support/watch.ts";

type Members = Partial<PushConsumerOptions<string>> & {
  readonly channel?: Partial<PushChannel<string>>;
};

/** A broker of which each channel is opened at once, with handlers that a test ends one by one. */
function setUp({ channel, ...members }: Members = {}) {
  const clock = createManualClock();
  const logger = createRecordingLogger();
  const links: PushLink<string>[] = [];
  const runs: string[] = [];
  const ends = new Map<string, (settlement: Settlement) => void>();
  const crashes = new Map<string, (error: Error) => void>();
  const told: string[] = [];
  const open = vi.fn(async (link: PushLink<string>): Promise<PushChannel<string>> => {
    links.push(link);
    return { close: async () => void told.push("channel closed"), ...channel };
  });
  const consumer = createPushConsumer<string>({
    concurrency: 2,
    clock,
    logger,
    deliver: ({ envelope: { id } }) => {
      runs.push(id);
      return new Promise((resolve, reject) => {
        ends.set(id, resolve);
        crashes.set(id, reject);
      });
    },
    open,
    settle: async (token, { type }) => void told.push(`${type} ${token}`),
    crash: async (token) => void told.push(`crash ${token}`),
    release: async (tokens) => void told.push(`handed back ${tokens.join()}`),
    ...members,
  });
  return {
    clock,
    logger,
    links,
    runs,
    told,
    open,
    consumer,
    link: () => links.at(-1) as PushLink<string>,
    push: (...ids: string[]) => {
      for (const id of ids) links.at(-1)?.push(pushed(id));
    },
    end: async (id: string, settlement: Settlement = { type: "ack" }) => {
      ends.get(id)?.(settlement);
      await idle();
    },
    crash: async (id: string) => {
      crashes.get(id)?.(new Error("crashed"));
      await idle();
    },
  };
}

function pushed(id: string): { readonly token: string; readonly delivery: Delivery } {
  const metadata = { created_at: 0, published_at: 0, correlationId: "c" };
  return { token: id, delivery: { envelope: { id, name: "a", data: null, metadata }, crashes: 0 } };
}

describe("createPushConsumer", () => {
  test("asks for as many as its slots, runs each, and settles it as the bus says", async () => {
    const it = setUp();
    expect(it.link().prefetch).toBe(2);
    it.push("1", "2");
    await it.end("1");
    await it.end("2", { type: "dead", reason: "failed", state: null });
    expect(it.told).toEqual(["ack 1", "dead 2"]);
  });

  test("lets what is pushed beyond its slots wait for one", async () => {
    const it = setUp();
    it.push("1", "2", "3", "4");
    expect(it.runs).toEqual(["1", "2"]);
    await it.end("2");
    expect(it.runs).toEqual(["1", "2", "3"]);
  });

  test("tells a crash from a settlement", async () => {
    const it = setUp();
    it.push("1");
    await it.crash("1");
    expect(it.told).toEqual(["crash 1"]);
    expect(it.logger.at("warn")).toHaveLength(1);
  });

  test("keeps the slot of what is released for 10 ms, lest it go to and fro", async () => {
    const it = setUp({ concurrency: 1 });
    it.push("1", "2");
    await it.end("1", { type: "release" });
    expect([it.told, it.runs]).toEqual([["release 1"], ["1"]]);
    await it.clock.advance(10);
    expect(it.runs).toEqual(["1", "2"]);
  });

  test("renews what it has, waiting or running", async () => {
    const extended: string[][] = [];
    const extend = async (tokens: readonly string[]) => void extended.push([...tokens]);
    const it = setUp({ concurrency: 1, extend, extendEveryMs: 100 });
    it.push("1", "2");
    await it.clock.advance(100);
    await it.end("1");
    await it.clock.advance(100);
    expect(extended).toEqual([["1", "2"], ["2"]]);
    const closing = it.consumer.close({ graceMs: 0 });
    await it.clock.advance(0);
    await closing;
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("runs deliveries in nobody's context", async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const it = setUp({
      deliver: async () => {
        seen.push(storage.getStore());
        return { type: "ack" };
      },
    });
    storage.run("of an emit", () => it.push("1"));
    await idle();
    expect(seen).toEqual([undefined]);
  });
});

describe("createPushConsumer, when its channel is lost,", () => {
  test("forgets what was pushed, lets it run on, and settles nothing of it", async () => {
    const it = setUp();
    await idle();
    it.push("1", "2", "3");
    const [first] = it.links;
    it.link().lost(new Error("reset"));
    await idle();
    expect([first?.signal.aborted, it.told]).toEqual([true, ["channel closed"]]);
    first?.push(pushed("4"));
    await it.clock.advance(100);
    expect(it.links).toHaveLength(2);
    it.push("1", "2");
    expect(it.runs, "both slots are taken by what was lost").toEqual(["1", "2"]);
    await it.end("1");
    await it.end("2");
    expect(it.told).toEqual(["channel closed"]);
    expect(it.runs).toEqual(["1", "2", "1", "2"]);
    await it.end("1");
    expect(it.told).toEqual(["channel closed", "ack 1"]);
    expect(it.logger.at("warn").map(({ message }) => message)).toEqual([
      "The channel of a consumer is lost; will open another one",
    ]);
  });

  test("opens another one for ever, after a pause that doubles up to 10 s", async () => {
    const it = setUp();
    it.open.mockRejectedValue(new Error("refused"));
    it.link().lost();
    const opened: number[] = [];
    for (const pauseMs of [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]) {
      await it.clock.advance(pauseMs - 1);
      const before = it.open.mock.calls.length;
      await it.clock.advance(1);
      opened.push(it.open.mock.calls.length - before);
    }
    expect(opened).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  test("while it is being opened, closes it", async () => {
    const it = setUp();
    await idle();
    it.link().lost();
    let opened: ((channel: PushChannel<string>) => void) | undefined;
    let lost = (): void => {};
    it.open.mockImplementationOnce((link) => {
      ({ lost } = link);
      return new Promise((resolve) => (opened = resolve));
    });
    await it.clock.advance(100);
    lost();
    opened?.({ close: async () => void it.told.push("late channel closed") });
    await idle();
    expect(it.told).toEqual(["channel closed", "late channel closed"]);
    await it.clock.advance(200);
    expect(it.open).toHaveBeenCalledTimes(3);
  });
});

describe("createPushConsumer, on close,", () => {
  test("ends the flow, hands back what waits, and waits for what runs", async () => {
    const stop = vi.fn(async () => {});
    const it = setUp({ channel: { stop } });
    it.push("1", "2", "3");
    const closing = watch(it.consumer.close({ graceMs: 1000 }));
    await idle();
    expect([stop.mock.calls.length, it.told]).toEqual([1, ["handed back 3"]]);
    it.push("4");
    await it.end("1");
    expect(closing.isDone).toBe(false);
    await it.end("2");
    expect(closing.isDone).toBe(true);
    expect(it.told).toEqual(["handed back 3", "handed back 4", "ack 1", "ack 2", "channel closed"]);
    expect([it.runs, it.clock.pendingTimers()]).toEqual([["1", "2"], 0]);
  });

  test("hands back what still runs at its deadline, and ignores what that ends with", async () => {
    const it = setUp();
    it.push("1", "2");
    const closing = it.consumer.close({ graceMs: 500 });
    await it.clock.advance(500);
    await closing;
    await it.end("1");
    await it.end("2", { type: "dead", reason: "late", state: null });
    expect(it.told).toEqual(["handed back 1,2", "channel closed"]);
  });

  test("is over at its deadline while the broker answers neither open nor stop", async () => {
    for (const stuck of ["open", "stop"] as const) {
      const never = () => new Promise<never>(() => {});
      const it = setUp(stuck === "open" ? { open: never } : { channel: { stop: never } });
      const closing = watch(it.consumer.close({ graceMs: 500 }));
      await it.clock.advance(500);
      expect(closing.isDone).toBe(true);
    }
  });

  test("opens nothing more, and is idempotent", async () => {
    const it = setUp();
    it.link().lost();
    await Promise.all([it.consumer.close({ graceMs: 0 }), it.consumer.close({ graceMs: 0 })]);
    await it.clock.advance(60_000);
    expect(it.open).toHaveBeenCalledTimes(1);
    expect(it.clock.pendingTimers()).toBe(0);
  });

  test("closes a channel that is opened only then", async () => {
    let opened: ((channel: PushChannel<string>) => void) | undefined;
    const open = () => new Promise<PushChannel<string>>((resolve) => (opened = resolve));
    const it = setUp({ open });
    const closing = it.consumer.close({ graceMs: 0 });
    await it.clock.advance(1);
    await closing;
    opened?.({ close: async () => void it.told.push("late channel closed") });
    await idle();
    expect(it.told).toEqual(["late channel closed"]);
  });
});

describe("createPushConsumer, of a broker that is asked,", () => {
  type Pull = NonNullable<PushChannel<string>["pull"]>;

  /** Pulls are ended by the test. */
  function pulling(concurrency: number) {
    const pulls: {
      count: number;
      options: Parameters<Pull>[1];
      end: () => void;
      fail: (error: Error) => void;
    }[] = [];
    const pull: Pull = (count, options) =>
      new Promise((end, fail) => pulls.push({ count, options, end, fail }));
    return { it: setUp({ concurrency, channel: { pull } }), pulls };
  }

  test("asks for what is free and not owed, and not for each single slot", async () => {
    const { it, pulls } = pulling(4);
    await idle();
    expect(pulls.map(({ count }) => count)).toEqual([4]);
    for (const id of ["1", "2", "3"]) pulls[0]?.options.push(pushed(id));
    await it.end("1");
    expect(pulls, "one is owed, and one is free").toHaveLength(1);
    await it.end("2");
    expect(pulls.map(({ count }) => count)).toEqual([4, 2]);
    pulls[0]?.end();
    await idle();
    expect(pulls, "the slot of what did not come is free; two are owed").toHaveLength(2);
    pulls[1]?.options.push(pushed("4"));
    pulls[1]?.options.push(pushed("5"));
    await idle();
    pulls[1]?.end();
    await idle();
    expect(pulls.map(({ count }) => count)).toEqual([4, 2, 1]);
  });

  test("asks again after a wait that brought nothing, and pauses where there was no wait", async () => {
    const { it, pulls } = pulling(1);
    await it.clock.advance(20_000);
    pulls[0]?.end();
    await idle();
    expect(pulls).toHaveLength(2);
    pulls[1]?.end();
    await idle();
    expect(pulls).toHaveLength(2);
    await it.clock.advance(100);
    expect(pulls).toHaveLength(3);
  });

  test("asks again after a failure, after a pause", async () => {
    const { it, pulls } = pulling(1);
    await idle();
    pulls[0]?.fail(new Error("throttled"));
    await it.clock.advance(99);
    expect(pulls).toHaveLength(1);
    await it.clock.advance(1);
    expect(pulls).toHaveLength(2);
    expect(it.logger.at("warn")).toHaveLength(1);
  });

  test("ends a long poll when it closes, and asks for nothing more", async () => {
    const { it, pulls } = pulling(2);
    await idle();
    const closing = it.consumer.close({ graceMs: 1000 });
    expect(pulls[0]?.options.signal.aborted).toBe(true);
    pulls[0]?.options.push(pushed("late"));
    pulls[0]?.end();
    await it.clock.advance(1000);
    await closing;
    expect([it.told, it.runs]).toEqual([["handed back late", "channel closed"], []]);
    expect([pulls.length, it.clock.pendingTimers()]).toEqual([1, 0]);
  });
});
