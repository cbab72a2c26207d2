import type { EventProvider } from "@busbar/core/provider";
import { testingProvider } from "../../src/index.ts";

/** For child processes of the conformance suite. */
export function createProvider(): EventProvider {
  return testingProvider({ time: "system" });
}
