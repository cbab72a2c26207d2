import { describe, expect, test } from "vitest";
import { SlotShares } from "../../src/deliver/slot-shares.ts";

describe("SlotShares", () => {
  test("begins with few attempts at an endpoint, and allows more while they succeed", () => {
    const shares = new SlotShares(5);
    expect(shares.free("a")).toBe(2);
    for (let each = 0; each < 10; each += 1) {
      shares.began("a");
      shares.ended("a", true);
    }
    expect(shares.free("a")).toBe(5);
    expect(shares.free("b")).toBe(2);
  });

  test("allows half as many after one that failed, and always one", () => {
    const shares = new SlotShares(8);
    for (let each = 0; each < 6; each += 1) {
      shares.began("a");
      shares.ended("a", true);
    }
    const free: number[] = [];
    for (let each = 0; each < 5; each += 1) {
      shares.began("a");
      shares.ended("a", false);
      free.push(shares.free("a"));
    }
    expect(free).toEqual([4, 2, 1, 1, 1]);
  });

  test("counts the attempts that run", () => {
    const shares = new SlotShares(2);
    shares.began("a");
    expect(shares.free("a")).toBe(1);
    shares.began("a");
    expect(shares.free("a")).toBe(0);
    shares.ended("a", true);
    expect(shares.free("a")).toBe(1);
  });
});
