import { describe, expect, test } from "vitest";
import { createManualClock } from "../support/manual-clock.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";
import { StormLog } from "../../src/deliver/storm-log.ts";
import { startTestBus } from "../support/test-bus.ts";

describe("a storm of dead letters", () => {
  test("is ten lines, and then one a second with a count and the most frequent reason", async () => {
    const { bus, clock, logger } = await startTestBus();
    const fail = ({ data }: { data: unknown }): never => {
      throw new Error(Number(data) % 4 ? `order ${Number(data)}: no mail server` : "no template");
    };
    bus.subscribe("order.placed", fail, { subscriberId: "mail" });
    const emitAll = async (count: number): Promise<void> => {
      const data = Array.from({ length: count }, (_, index) => index);
      await bus.emit(data.map((data) => ({ name: "order.placed", data })));
      await bus.settled();
    };
    await emitAll(1_000);
    expect(logger.at("error")).toHaveLength(10);
    await clock.advance(1_000);
    expect(logger.at("error")).toHaveLength(11);
    expect(logger.at("error").at(-1)).toMatchObject({
      message:
        '990 more dead letters within a second, 743 of them like this one: Subscriber "mail" has a dead letter after 1 attempts (failed); replay or discard it',
      fields: { subscriberId: "mail", count: 990, alike: 743, reason: "failed" },
    });
    expect(JSON.stringify(logger.at("error").at(-1)?.fields)).not.toContain("no template");

    // It goes on: nothing is written whole. What is left is said when the bus stops.
    await emitAll(5);
    expect(logger.at("error")).toHaveLength(11);
    await clock.advance(1_000);
    expect(logger.at("error").at(-1)?.message).toContain("5 more dead letters within a second");
    await clock.advance(1_000);
    await emitAll(3);
    expect(logger.at("error")).toHaveLength(15);
    await emitAll(9);
    await bus.stop();
    expect(logger.at("error")).toHaveLength(23);
    expect(logger.at("error").at(-1)?.message).toContain("2 more dead letters");
    expect(logger.lines.filter(({ message }) => message.includes("dead letters are gone"))).toEqual(
      [expect.objectContaining({ fields: { subscriberId: "mail", count: 1_017 } })],
    );
  });

  test("is summed up apart from failed attempts, and from what the provider drops", async () => {
    const clock = createManualClock();
    const logger = createRecordingLogger();
    const storms = new StormLog(logger, clock);
    for (let index = 0; index < 30; index += 1) {
      const fields = { subscriberId: "mail" };
      storms.write({ level: "error", kind: "dead letters", fields, message: "dead" });
      storms.write({ level: "warn", kind: "dropped dead letters", fields, message: "2", count: 2 });
    }
    expect([logger.at("error").length, logger.at("warn").length]).toEqual([10, 10]);
    await clock.advance(1_000);
    expect(logger.lines.slice(20).map(({ message }) => message)).toEqual([
      "20 more dead letters within a second, 20 of them like this one: dead",
      "40 more dropped dead letters within a second, 40 of them like this one: 2",
    ]);
    expect(clock.pendingTimers()).toBe(0);
  });

  test("does not grow with the number of different reasons", async () => {
    const clock = createManualClock();
    const logger = createRecordingLogger();
    const storms = new StormLog(logger, clock);
    for (let index = 0; index < 5_000; index += 1) {
      const err = new Error("x".repeat(index % 500));
      const fields = { subscriberId: "mail", err };
      storms.write({ level: "error", kind: "dead letters", fields, message: "dead" });
    }
    storms.close();
    expect(logger.at("error").at(-1)?.message).toContain("4990 more dead letters");
    expect(clock.pendingTimers()).toBe(0);
  });
});
