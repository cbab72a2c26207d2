import { describe, expect, test } from "vitest";
import {
  type BodyReference,
  eventsReferredTo,
  isReference,
  numbersIn,
  partOf,
  rangesOf,
} from "../src/store/body-reference.ts";

const WHOLE: BodyReference = {
  body: "b",
  packs: [
    [1, 3],
    [2, 4],
    [5, 2, [0, [7, 7]]],
  ],
  oldestAt: 1,
};

/** Each event of a reference, as its pack and its place in that. */
function eventsOf({ packs }: BodyReference): readonly string[] {
  return packs.flatMap(([pack, events, which]) =>
    (which ? [...numbersIn(which)] : [...Array(events).keys()]).map((at) => `${pack}:${at}`),
  );
}

describe("a part of a reference", () => {
  test("refers to the events at the positions that are asked for, whichever these are", () => {
    const all = eventsOf(WHOLE);
    expect(all).toHaveLength(eventsReferredTo(WHOLE));
    for (let chosen = 0; chosen < 2 ** all.length; chosen += 1) {
      const positions = [...all.keys()].filter((at) => (chosen >> at) % 2 === 1);
      const part = partOf(WHOLE, positions);
      expect(eventsOf(part)).toEqual(positions.map((at) => all[at]));
      expect(eventsReferredTo(part)).toBe(positions.length);
      if (positions.length > 0) expect(isReference(part)).toBe(true);
    }
  });

  test("names a pack as a whole if nothing of it is missing", () => {
    expect(partOf(WHOLE, [0, 1, 2, 4, 5]).packs).toEqual([
      [1, 3],
      [2, 2, [[1, 2]]],
    ]);
  });
});

test("ranges are as few as can be", () => {
  expect(rangesOf([])).toEqual([]);
  expect(rangesOf([0, 1, 2, 4, 6, 7])).toEqual([[0, 2], 4, [6, 7]]);
});

test.for([
  {},
  { packs: [] },
  { packs: [[1]] },
  { packs: [[1, 0]] },
  { packs: [[-1, 2]] },
  { packs: [[1, 2, [0]]] },
  { packs: [[1, 2, ["0", 1]]] },
  { packs: [[1, 1e9]] },
  { packs: "1" },
  { packs: [[1, 2]], body: 1 },
  { packs: [[1, 2]], oldestAt: "1" },
])("%j is no reference", (changes) => {
  const value = { body: "b", oldestAt: 1, ...changes } as unknown as Partial<BodyReference>;
  expect(isReference(value)).toBe(false);
});
