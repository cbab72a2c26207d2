import { describe, expect, test } from "vitest";
import { keysOf } from "../src/keys.ts";

describe("keys of the environment", () => {
  test.each([
    [undefined, []],
    ["", []],
    ["c2VjcmV0", [{ id: "default", key: "c2VjcmV0" }]],
    [
      " 2026-11:bmV3, 2026-10:b2xk ",
      [
        { id: "2026-11", key: "bmV3" },
        { id: "2026-10", key: "b2xk" },
      ],
    ],
  ])("%j", (text, keys) => {
    expect(keysOf({ BUSBAR_WEBHOOKS_KEYS: text })).toEqual(keys);
  });
});
