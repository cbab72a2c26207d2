import type { ProviderRequest } from "@busbar/conformance";
import type { EventProvider } from "@busbar/core/provider";
import { natsProvider } from "../../src/nats-provider.ts";

/** Says in the environment where the suite finds NATS. */
export const SUITE_URL = "BUSBAR_TEST_SUITE_URL";

/** The suite calls it here, and in the processes that it kills. */
export function createProvider({ deduplicationWindowMs }: ProviderRequest): EventProvider {
  return natsProvider({
    servers: process.env[SUITE_URL],
    leaseMs: 1_000,
    answerWithinMs: 1_000,
    deduplicationWindowMs,
  });
}
