import { expectTypeOf, test } from "vitest";
import type { Issue } from "../../src/contract/issue.ts";
import {
  type BusbarError,
  type BusbarErrorCode,
  type EmitOutcome,
  isBusbarError,
  type UnsettledEvent,
} from "../../src/errors/errors.ts";

test("isBusbarError narrows to the details of its code", () => {
  const error: unknown = undefined;
  if (isBusbarError(error)) expectTypeOf(error).toEqualTypeOf<BusbarError<BusbarErrorCode>>();
  if (isBusbarError(error, "BUSBAR_INVALID_EVENT")) {
    expectTypeOf(error.code).toEqualTypeOf<"BUSBAR_INVALID_EVENT">();
    expectTypeOf(error.details).toEqualTypeOf<{
      readonly event: string;
      readonly issues: readonly Issue[];
    }>();
  }
  if (isBusbarError(error, "BUSBAR_NOT_SETTLED")) {
    expectTypeOf(error.details.unsettled).toEqualTypeOf<readonly UnsettledEvent[]>();
  }
  if (isBusbarError(error, "BUSBAR_OVERLOADED")) {
    expectTypeOf(error.details).toExtend<EmitOutcome>();
  }
  // @ts-expect-error there is no such code
  isBusbarError(error, "BUSBAR_MADE_UP");
});
