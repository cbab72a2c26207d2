import type { EventProvider } from "@busbar/core/provider";
import { localProvider } from "../../src/local-provider.ts";

/** For child processes of the conformance suite. */
export function createProvider(): EventProvider {
  return localProvider();
}
