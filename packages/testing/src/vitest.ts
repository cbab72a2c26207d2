import type {} from "vitest";
import type { BusbarMatchers } from "./matchers.ts";

export { matchers } from "./matchers.ts";
export type {
  BusbarMatchers,
  ExpectedDeadLetter,
  ExpectedDelivery,
  MatcherContext,
  MatcherFunctions,
  MatcherResult,
} from "./matchers.ts";

declare module "vitest" {
  // An interface of vitest is added to as it is: with a parameter of this name and default.
  // oxlint-disable-next-line typescript/no-explicit-any
  interface Matchers<T = any> extends BusbarMatchers {}
}
