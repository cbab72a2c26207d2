import { expect, test } from "vitest";
import { remember } from "../src/remember.ts";

test("forgets the oldest value when there are too many", () => {
  const map = new Map<string, number>();
  for (const [index, id] of ["a", "b", "a", "c", "d"].entries()) remember(map, id, index, 3);
  expect([...map]).toEqual([
    ["b", 1],
    ["c", 3],
    ["d", 4],
  ]);
});
