import { setTimeout as realDelay } from "node:timers/promises";
import { createEventBus, isBusbarError } from "@busbar/core";
import { systemClock } from "@busbar/core/provider";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { testingProvider } from "../src/index.ts";
import { mail, startBus } from "./support/start-bus.ts";

const START = Date.UTC(2026, 0, 1);

describe("virtual time", () => {
  test("starts at the first of January 2026, or where it is told to", () => {
    expect(testingProvider().clock.now()).toBe(START);
    expect(testingProvider({ startAt: 5 }).clock.now()).toBe(5);
  });

  test("is the time of the bus without anybody saying so", async () => {
    const seen: unknown[] = [];
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", ({ metadata }) => void seen.push(metadata.created_at), mail),
    );
    await provider.advance(5_000);
    await bus.emit("order.placed", {});
    await provider.advance(0);
    expect(seen).toEqual([new Date(START + 5_000)]);
  });

  test("is refused beside another clock", async () => {
    const bus = createEventBus({ provider: testingProvider(), clock: systemClock });
    await expect(bus.start()).rejects.toThrow("give it none");
  });

  test("advance runs what falls due in order, each at its own time", async () => {
    const runs: string[] = [];
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe<string>(
        "reminder",
        async ({ data }) => {
          await Promise.resolve();
          runs.push(`${data} at ${provider.clock.now() - START}`);
        },
        mail,
      ),
    );
    await bus.emit("reminder", "late", { delay: 3_000 });
    await bus.emit("reminder", "soon", { delay: 1_000 });
    await bus.emit("reminder", "too late", { delay: 5_001 });
    await provider.advance(5_000);
    expect(runs).toEqual(["soon at 1000", "late at 3000"]);
    expect(provider.clock.now()).toBe(START + 5_000);
  });

  test("two advances at the same time follow each other", async () => {
    const provider = testingProvider();
    await Promise.all([provider.advance(10), provider.advance(20)]);
    expect(provider.clock.now()).toBe(START + 30);
  });

  test("advance takes no time that is none", async () => {
    const provider = testingProvider();
    await expect(provider.advance(-1)).rejects.toThrow(TypeError);
    await expect(provider.advance(Number.NaN)).rejects.toThrow(TypeError);
  });

  test("advanceToNext moves to the next retry and passes over housekeeping", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.failNext("mail");
    await bus.emit("order.placed", {});
    expect(await provider.advanceToNext()).toBe(1_000);
    expect(provider.deliveries("mail").map(({ outcome }) => outcome)).toEqual([
      "failed",
      "acknowledged",
    ]);
    expect(await provider.advanceToNext()).toBeUndefined();
  });

  test("drain ends every retry and every delay, however far away", async () => {
    const { bus, provider } = await startBus((bus) => bus.subscribe("reminder", () => {}, mail));
    provider.failNext("mail", { times: 2 });
    await bus.emit("reminder", {}, { delay: 90 * 86_400_000 });
    await provider.drain();
    expect(provider.deliveries("mail").map(({ outcome }) => outcome)).toEqual([
      "failed",
      "failed",
      "acknowledged",
    ]);
  });

  test("drain lets the time limit of a handler that hangs pass", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => new Promise(() => {}), {
        subscriberId: "mail",
        timeoutMs: 60_000,
      }),
    );
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(provider.deliveries("mail")[0]).toMatchObject({
      outcome: "dead",
      error: { message: 'The subscriber "mail" took more than 60000 ms' },
    });
  });

  test("drain says what is left when a handler hangs for ever", async () => {
    const { bus, provider } = await startBus(
      (bus) => bus.subscribe("order.placed", () => new Promise(() => {}), mail),
      { timeoutMs: 20 },
    );
    await bus.emit("order.placed", {});
    await expect(provider.drain()).rejects.toThrow(
      /mail: 1 in flight, 0 ready, 0 delayed.*handed over {2}order.placed #1 to mail, attempt 1/s,
    );
  });

  test("advance rejects when deliveries go on without end", async () => {
    const { bus, provider } = await startBus(
      (bus) => bus.subscribe("ping", async () => void (await bus.emit("ping", {})), mail),
      { timeoutMs: 20 },
    );
    await bus.emit("ping", {});
    await expect(provider.advance(1)).rejects.toThrow("goes on without end");
  });

  test("settled of the bus resolves while the test moves time", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.failNext("mail");
    provider.duplicateNext("mail", { delayMs: 500 });
    const [eventId] = await bus.emit("order.placed", {});
    const settled = bus.settled(eventId === undefined ? {} : { eventId });
    await provider.advance(1_000);
    await settled;
    expect(provider.deliveries("mail").map(({ outcome }) => outcome)).toEqual([
      "failed",
      "acknowledged",
      "acknowledged",
    ]);
  });

  test("the wall clock can be set alone, and moves nothing that is due", async () => {
    const runs: number[] = [];
    const { bus, provider } = await startBus((bus) => {
      bus.subscribe(
        "order.placed",
        ({ metadata }) => void runs.push(Number(metadata.created_at)),
        mail,
      );
    });
    await bus.emit("order.placed", {}, { delay: 1_000 });
    provider.stepWallClock(-3_600_000);
    expect(provider.clock.now()).toBe(START - 3_600_000);
    await provider.advance(999);
    expect(runs).toEqual([]);
    await provider.advance(1);
    expect(runs).toEqual([START]);
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(runs).toEqual([START, START - 3_599_000]);
  });

  test("stop does not wait in real time for retries and grace", async () => {
    const { bus, provider } = await startBus((bus) => {
      bus.subscribe("order.placed", () => {}, mail);
      bus.subscribe("order.lost", () => new Promise(() => {}), { subscriberId: "hangs" });
    });
    provider.failNext("mail");
    await bus.emit("order.placed", {});
    await bus.emit("order.lost", {});
    await bus.stop({ graceMs: 20_000 });
    expect(provider.deliveries("mail").at(-1)?.outcome).toBe("acknowledged");
    expect(provider.clock.now()).toBe(START + 20_000);
  });

  test("stop lets what is late arrive before", async () => {
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.delayNext("mail", 60_000);
    await bus.emit("order.placed", {});
    await bus.stop();
    expect(provider.deliveries("mail").map(({ outcome }) => outcome)).toEqual(["acknowledged"]);
  });

  test("stands still for handlers that wait for something real, as long as it is told to", async () => {
    const { bus, provider } = await startBus(
      (bus) => bus.subscribe("order.placed", () => realDelay(5), { ...mail, timeoutMs: 1 }),
      { ioWaitMs: 1_000 },
    );
    await bus.emit("order.placed", {});
    await provider.advance(1);
    expect(provider.deliveries("mail").map(({ outcome }) => outcome)).toEqual(["acknowledged"]);
  });

  test("an emit without an answer rejects when its time is up", async () => {
    const { bus, provider } = await startBus();
    provider.timeOutPublish();
    const emitted = bus.emit("order.placed", {});
    const failure = emitted.catch((error: unknown) => error);
    await provider.drain();
    expect(isBusbarError(await failure, "BUSBAR_EMIT_TIMEOUT")).toBe(true);
    expect(provider.clock.now()).toBe(START + 10_000);
  });

  test("the system's time passes by itself and cannot be moved", async () => {
    const { bus, provider } = await startBus(
      (bus) => bus.subscribe("order.placed", () => {}, { ...mail, backoff: 1 }),
      { time: "system" },
    );
    provider.failNext("mail");
    await bus.emit("order.placed", {});
    await bus.settled();
    expect(provider.deliveries("mail").map(({ attempt }) => attempt)).toEqual([1, 2]);
    await expect(provider.advance(1)).rejects.toThrow("cannot move the system's time");
  });

  test("a bus may have a clock of its own beside the system's time", async () => {
    const clock = testingProvider({ startAt: 5 }).clock;
    const { bus, provider } = await startBus(() => {}, { time: "system" }, { clock });
    await bus.emit("order.placed", {});
    expect(provider.clock.now()).toBe(5);
    expect(provider.emitted()[0]?.metadata.created_at).toEqual(new Date(5));
  });

  test("moves also while the test runner's timers are fake", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { bus, provider } = await startBus((bus) =>
      bus.subscribe("order.placed", () => {}, mail),
    );
    provider.failNext("mail");
    await bus.emit("order.placed", {});
    await provider.drain();
    expect(provider.deliveries("mail").map(({ attempt }) => attempt)).toEqual([1, 2]);
    await expect(provider.next("order.paid", { timeoutMs: 5 })).rejects.toThrow("No further event");
  });

  test("wrong options are mistakes", () => {
    expect(() => testingProvider({ timeoutMs: -1 })).toThrow(TypeError);
    expect(() => testingProvider({ startAt: Number.NaN })).toThrow(TypeError);
    expect(() => testingProvider({ time: "fast" as "virtual" })).toThrow(TypeError);
    expect(() => testingProvider({ maxPending: 0 })).toThrow(TypeError);
  });
});
