import type { ProviderContext } from "@busbar/core/provider";
import type { RedisLink } from "../connection/redis-link.ts";
import type { ResolvedOptions } from "../options.ts";
import type { Keys } from "./keys.ts";
import type { Scripts } from "./scripts.ts";

/** The data of a bus in Redis, and what it takes to reach them. */
export interface Store {
  readonly context: ProviderContext;
  readonly options: ResolvedOptions;
  readonly keys: Keys;
  readonly link: RedisLink;
  readonly scripts: Scripts;
  readonly serverClock: ServerClock;
}

/**
 * The clock of Redis, as this process knows it: for how long to wait, and for what people are shown. What is
 * decided is decided by the scripts, which ask Redis itself.
 */
export interface ServerClock {
  /** Milliseconds since the epoch. Does not jump when the clock of this process is set. */
  now(): number;
  /**
   * Asks Redis, and answers with what it says. After the first time, this is done every minute, and whenever
   * Redis is connected again: perhaps it is another server.
   */
  read(): Promise<number>;
  close(): void;
}
