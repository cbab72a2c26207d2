import type { EventProvider } from "@busbar/core/provider";
import { redisProvider } from "@busbar/redis";

/** A Redis provider that soon takes up what a process has left that was killed. */
export function redisBroker(redisUrl: string): EventProvider {
  return redisProvider({
    redisUrl,
    lockDurationMs: 1_000,
    stalledCheckMs: 200,
    commandTimeoutMs: 1_000,
  });
}
