import { describe, expect, test } from "vitest";
import { nearestName } from "../../src/values/arguments.ts";

const known = ["name", "modules", "subscribers", "plugins", "bus", "events", "role"];

describe("nearestName", () => {
  test.for([
    ["suscribers", "subscribers"],
    ["subscriber", "subscribers"],
    ["Modules", "modules"],
    ["module", "modules"],
    ["buss", "bus"],
    ["roel", "role"],
  ] as const)("finds what %s stands for", ([typed, meant]) => {
    expect(nearestName(typed, known)).toBe(meant);
  });

  test.for(["x", "database", "zzz", ""])("finds nothing near %j", (typed) => {
    expect(nearestName(typed, known)).toBeUndefined();
  });
});
