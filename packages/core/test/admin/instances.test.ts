import { expect, onTestFinished, test } from "vitest";
import type { EventBusOptions } from "../../src/contract/bus-options.ts";
import { createEventBus, type EventBus } from "../../src/event-bus.ts";
import { definePlugin } from "../../src/contract/plugin.ts";
import { providerWith, TestBoard } from "../support/board.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";
import { startTestBus } from "../support/test-bus.ts";
import { watch } from "../support/watch.ts";

const clock = createManualClock();

async function startOn(
  board: TestBoard,
  options: Partial<Omit<EventBusOptions, "provider" | "events">> = {},
): Promise<EventBus> {
  const bus = createEventBus({ provider: providerWith(board), logger: false, ...options, clock });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  bus.subscribe("order.placed", () => {}, { subscriberId: "mail", attempts: 3, timeoutMs: 500 });
  await bus.start();
  return bus;
}

test("shows this instance alone on a provider without a board, and keeps no timer for it", async () => {
  const { bus, clock: own } = await startTestBus();
  const timers = own.pendingTimers();
  bus.subscribe("order.*", () => {}, { subscriberId: "mail", backoff: 20 });
  const { instances } = await bus.inspect();
  expect(instances).toEqual([
    {
      instanceId: expect.any(String) as string,
      host: expect.any(String) as string,
      pid: process.pid,
      role: "shared",
      status: "up",
      consuming: true,
      startedAt: new Date(own.now()),
      seenAt: new Date(own.now()),
      here: true,
      versions: {
        node: process.versions.node,
        "@busbar/core": expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
      },
      counters: expect.objectContaining({ emitted: 0 }) as object,
      subscriptions: [
        {
          subscriberId: "mail",
          events: ["order.*"],
          policy: { backoff: 20, concurrency: 10, ordering: "none" },
        },
      ],
      plugins: {},
    },
  ]);
  expect(own.pendingTimers()).toBe(timers);
});

test("shows every instance on the board, with what it has done, from its start to its stop", async () => {
  const board = new TestBoard(clock);
  const one = await startOn(board);
  const other = await startOn(board);
  await other.emit("order.placed", 1);
  await other.settled();
  const counters = async (): Promise<readonly number[]> =>
    (await one.inspect()).instances.map((it) => it.counters.acknowledged);
  expect(await counters()).toEqual([0, 0]);
  await clock.advance(5_000);
  expect(await counters()).toEqual([0, 1]);
  const { instances } = await one.inspect();
  expect(instances.map(({ here, consuming, status }) => [here, consuming, status])).toEqual([
    [true, true, "up"],
    [false, true, "up"],
  ]);
  expect(instances[1]?.subscriptions).toEqual([
    {
      subscriberId: "mail",
      events: ["order.placed"],
      policy: { attempts: 3, timeoutMs: 500, concurrency: 10, ordering: "none" },
    },
  ]);
  await other.stop();
  expect((await one.inspect()).instances).toHaveLength(1);
});

test("forgets an instance that reports no more, and reports again after the board was down", async () => {
  const board = new TestBoard(clock);
  const one = await startOn(board);
  const other = await startOn(board);
  board.isDown = true;
  await clock.advance(30_000);
  expect((await other.inspect()).instances.map(({ here }) => here)).toEqual([true]);
  board.isDown = false;
  expect(await board.list()).toEqual([]);
  await clock.advance(5_000);
  expect((await one.inspect()).instances).toHaveLength(2);
  expect(board.posts).toBe(4);
});

test("shows what plugins report, and survives a plugin that cannot", async () => {
  const logger = createRecordingLogger();
  const reports = { handled: 1 };
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  const bus = await startOn(new TestBoard(clock), {
    logger,
    plugins: [
      definePlugin({ name: "metrics", report: () => reports }),
      definePlugin({ name: "silent" }),
      definePlugin({
        name: "throws",
        report() {
          throw new Error("broken");
        },
      }),
      definePlugin({ name: "cyclic", report: () => cyclic as never }),
    ],
  });
  const [instance] = (await bus.inspect()).instances;
  reports.handled = 2;
  await clock.advance(5_000);
  expect(instance?.plugins).toEqual({ metrics: { handled: 1 } });
  expect((await bus.inspect()).instances[0]?.plugins).toEqual({ metrics: { handled: 2 } });
  expect(logger.at("warn").map(({ message }) => message)).toEqual([
    `Plugin "throws" could not report; its further failures are not logged`,
    `Plugin "cyclic" could not report; its further failures are not logged`,
  ]);
});

test("leaves out what another release reports and this one cannot read", async () => {
  const board = new TestBoard(clock);
  const bus = await startOn(board);
  await board.post("other", { pid: 1 }, { ttlMs: 1_000 });
  expect((await bus.inspect()).instances.map(({ here }) => here)).toEqual([true]);
});

test("a board that does not answer delays the start by a second at most", async () => {
  const own = createManualClock();
  const board = new TestBoard(own);
  board.post = () => new Promise(() => {});
  const bus = createEventBus({ provider: providerWith(board), logger: false, clock: own });
  const started = watch(bus.start());
  await own.advance(1_000);
  expect(started.isDone).toBe(true);
  const stopped = watch(bus.stop({ graceMs: 0 }));
  await own.advance(1_000);
  expect(stopped.isDone).toBe(true);
});

test("reads no reports for a caller that does without the instances", async () => {
  const board = new TestBoard(clock);
  const bus = await startOn(board);
  let reads = 0;
  board.list = async () => {
    reads += 1;
    return [];
  };
  const { instances, subscriptions } = await bus.inspect({ instances: false });
  expect([reads, instances]).toEqual([0, []]);
  expect(subscriptions.map(({ subscriberId }) => subscriberId)).toEqual(["mail"]);
  expect((await bus.inspect({ instances: true })).instances).toHaveLength(1);
  expect(reads).toBe(1);
  await expect(bus.inspect({ instances: 1 } as never)).rejects.toThrow("instances");
});

test("warns once of a board that cannot be read, until it could be read again", async () => {
  const logger = createRecordingLogger();
  const board = new TestBoard(clock);
  const bus = await startOn(board, { logger });
  const inspect = async (isDown: boolean): Promise<void> => {
    board.isDown = isDown;
    await bus.inspect();
  };
  await inspect(true);
  await inspect(true);
  expect(logger.at("warn")).toHaveLength(1);
  await inspect(false);
  await inspect(true);
  expect(logger.at("warn")).toHaveLength(2);
  board.isDown = false;
});
