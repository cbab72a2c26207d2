import { isBusbarError } from "@busbar/core";
import { describe, expect, test } from "vitest";
import { invalidRequest, notFound, versionConflict } from "../src/errors.ts";

describe("an error of webhooks", () => {
  test("for a malformed request lists each issue with its path", () => {
    const error = invalidRequest("webhooks.subscriptions.create()", [
      { path: "", reason: "must be an object" },
      { path: "rate.max", reason: "must be a whole number from 1" },
    ]);
    expect(isBusbarError(error, "BUSBAR_INVALID_REQUEST")).toBe(true);
    expect(error.message).toBe(
      "webhooks.subscriptions.create(): must be an object; rate.max must be a whole number from 1",
    );
    expect(error.details.issues).toHaveLength(2);
  });

  test("for something that does not exist names it on one line", () => {
    const error = notFound("delivery", "a\nb");
    expect(error.message).toBe(String.raw`There is no delivery "a\nb"`);
    expect(error.details).toEqual({ kind: "delivery", id: "a\nb" });
  });

  test("for another version says both versions", () => {
    const error = versionConflict("s", 2, 5);
    expect(error.message).toBe('Webhook subscription "s" has version 5, not 2');
    expect(error.details).toEqual({
      kind: "webhook subscription",
      id: "s",
      expected: 2,
      actual: 5,
    });
  });
});
