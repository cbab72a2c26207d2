import type {} from "expect";
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

// The `expect` of `@jest/globals`.
declare module "expect" {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends BusbarMatchers<R> {}
}

// The global `expect` of `@types/jest`.
declare global {
  namespace jest {
    interface Matchers<R, T = {}> extends BusbarMatchers<R> {}
  }
}
