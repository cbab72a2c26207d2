import { describe, expect, test } from "vitest";
import { SharedStarts } from "../../src/deliver/starts.ts";
import { createManualClock, idle } from "../support/manual-clock.ts";
import { createRecordingLogger } from "../support/recording-logger.ts";

const rate = { max: 1, perMs: 100 };

/** Reserves a start each 100 ms, and takes those that are due at the given times. */
async function takenAt(times: readonly number[], reserved: number): Promise<number[]> {
  let now = 0;
  const starts = new SharedStarts({
    clock: { ...createManualClock(), monotonic: () => now },
    logger: createRecordingLogger(),
    subscriberId: "mail",
    rates: {
      reserve: async (_, { count }) => ({
        waitsMs: Array.from({ length: Math.min(count, reserved) }, (__, index) => index * 100),
        retryAfterMs: 1_000_000,
      }),
    },
  });
  starts.take(rate, reserved);
  await idle();
  const taken: number[] = [];
  for (now of times) {
    while (taken.length < reserved && starts.take(rate, reserved - taken.length) === 0)
      taken.push(now);
  }
  return taken;
}

describe("SharedStarts", () => {
  test("a process that was blocked begins its reserved starts one after another", async () => {
    const everyTen = Array.from({ length: 100 }, (_, index) => 1_000 + index * 10);
    const taken = await takenAt(everyTen, 5);
    expect(taken).toEqual([1_000, 1_050, 1_150, 1_250, 1_350]);
  });

  test("timers that are a little late do not add up", async () => {
    const late = Array.from({ length: 10 }, (_, index) => index * 100 + (index % 2 === 0 ? 1 : 9));
    expect(await takenAt(late, 10)).toEqual(late);
  });
});
