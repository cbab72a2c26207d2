import type { ProviderRequest } from "@busbar/conformance";
import type { EventProvider } from "@busbar/core/provider";
import { redisProvider } from "../../src/redis-provider.ts";

/** Says in the environment where the proxy before Redis is. */
export const PROXY_PORT = "BUSBAR_TEST_PROXY_PORT";

/** The user and the password that the suite has. */
export const CREDENTIALS = "suite:secret";

/** The suite calls it here, and in the processes that it kills. */
export function createProvider({ deduplicationWindowMs }: ProviderRequest): EventProvider {
  return redisProvider({
    redisUrl: `redis://${CREDENTIALS}@127.0.0.1:${process.env[PROXY_PORT]}`,
    lockDurationMs: 1_000,
    stalledCheckMs: 400,
    commandTimeoutMs: 1_000,
    deduplicationWindowMs,
  });
}
