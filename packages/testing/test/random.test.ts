import { expect, test } from "vitest";
import { createRandom } from "../src/random.ts";

test("a seed gives the same numbers from 0 to below 1 on every machine", () => {
  const random = createRandom(1);
  expect([random(), random(), random()].map((number) => number.toFixed(6))).toEqual([
    "0.627074",
    "0.002736",
    "0.527447",
  ]);
});

test("numbers are spread evenly", () => {
  const random = createRandom(7);
  const counts = Array.from({ length: 10 }, () => 0);
  for (let n = 0; n < 10_000; n++) {
    const bucket = Math.floor(random() * 10);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
