import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  BusbarError,
  type BusbarErrorCode,
  isBusbarError,
  isPermanentError,
  PermanentError,
} from "../../src/errors/errors.ts";

/** Every code, once: the compiler sees to it that none is missing and none is made up. */
const CODES: Readonly<Record<BusbarErrorCode, true>> = {
  BUSBAR_INVALID_MESSAGE: true,
  BUSBAR_INVALID_EVENT: true,
  BUSBAR_INVALID_CONFIG: true,
  BUSBAR_UNSUPPORTED: true,
  BUSBAR_UNAVAILABLE: true,
  BUSBAR_EMIT_TIMEOUT: true,
  BUSBAR_OVERLOADED: true,
  BUSBAR_NOT_RUNNING: true,
  BUSBAR_NOT_SETTLED: true,
  BUSBAR_NOT_FOUND: true,
  BUSBAR_INVALID_REQUEST: true,
  BUSBAR_CONFLICT: true,
  BUSBAR_TIMEOUT: true,
  BUSBAR_COMPENSATION_FAILED: true,
};

describe("error codes", () => {
  test("are at most fifteen", () => {
    expect(Object.keys(CODES).length).toBeLessThanOrEqual(15);
  });

  test("have each one heading in docs/reference/errors.md, which has no others", async () => {
    const page = new URL("../../../../docs/reference/errors.md", import.meta.url);
    const lines = (await readFile(page, "utf8")).split("\n");
    const headings = lines.flatMap((line) => /^## .*(BUSBAR_\w+)/.exec(line)?.[1] ?? []);
    expect(headings.toSorted()).toEqual(Object.keys(CODES).toSorted());
  });
});

describe("BusbarError", () => {
  const details = { kind: "subscription", id: "s" } as const;

  test("has a code, details, a message and a cause", () => {
    const cause = new Error("why");
    const error = new BusbarError("BUSBAR_NOT_FOUND", "No such one", details, { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "BusbarError",
      code: "BUSBAR_NOT_FOUND",
      message: "No such one",
      details,
      cause,
    });
    expect(error.stack).toContain("errors.test.ts");
    expect(String(error)).toBe("BusbarError: No such one");
    expect("cause" in new BusbarError("BUSBAR_NOT_FOUND", "No such one", details)).toBe(false);
  });

  test("isBusbarError tells it from other values, by code if one is given", () => {
    const error: unknown = new BusbarError("BUSBAR_NOT_FOUND", "No such one", details);
    expect(isBusbarError(error)).toBe(true);
    expect(isBusbarError(error, "BUSBAR_NOT_FOUND")).toBe(true);
    expect(isBusbarError(error, "BUSBAR_UNAVAILABLE")).toBe(false);
    const others = [
      new Error("BUSBAR_NOT_FOUND"),
      Object.assign(new Error("no"), { code: "BUSBAR_NOT_FOUND" }),
      { name: "BusbarError", code: "BUSBAR_NOT_FOUND", details },
      "BusbarError",
      null,
      undefined,
    ];
    for (const other of others) expect(isBusbarError(other)).toBe(false);
  });

  test("isBusbarError knows an error of another copy of the package", () => {
    class BusbarErrorOfACopy extends Error {
      override readonly name = "BusbarError";
      readonly code = "BUSBAR_NOT_FOUND";
      readonly details = details;
    }
    const error = new BusbarErrorOfACopy("No such one");
    expect(error).not.toBeInstanceOf(BusbarError);
    expect(isBusbarError(error, "BUSBAR_NOT_FOUND")).toBe(true);
    expect(isBusbarError(error, "BUSBAR_UNAVAILABLE")).toBe(false);
  });
});

describe("PermanentError", () => {
  test("is known across copies of the package, and by subclasses that keep its name", () => {
    class PermanentErrorOfACopy extends Error {
      override readonly name = "PermanentError";
    }
    class CardRefused extends PermanentError {}
    for (const error of [
      new PermanentError("no", { cause: 1 }),
      new PermanentErrorOfACopy("no"),
      new CardRefused("no"),
    ]) {
      expect(isPermanentError(error)).toBe(true);
      expect(isBusbarError(error)).toBe(false);
    }
    expect(isPermanentError(new Error("PermanentError"))).toBe(false);
    expect(isPermanentError({ name: "PermanentError" })).toBe(false);
  });
});
