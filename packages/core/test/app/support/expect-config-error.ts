import { expect } from "vitest";
import { BusbarError, isBusbarError } from "../../../src/errors/errors.ts";

/** Expects a rejection with `BUSBAR_INVALID_CONFIG`, and resolves with it. */
export async function configErrorOf(
  promise: Promise<unknown>,
): Promise<BusbarError<"BUSBAR_INVALID_CONFIG">> {
  const error: unknown = await promise.then(
    () => new Error("It has not failed"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BusbarError);
  if (isBusbarError(error, "BUSBAR_INVALID_CONFIG")) return error;
  throw error;
}
