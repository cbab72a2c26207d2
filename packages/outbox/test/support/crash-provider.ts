import type { EventProvider } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { sqliteProvider } from "busbar-sqlite";
import { redisBroker } from "./redis-broker.ts";

/** Where the events of a shop are that is killed: in its memory, in files, or in Redis. */
export interface CrashBroker {
  /** Of the bus: those of one name share what is in Redis. */
  readonly name: string;
  readonly folder?: string | undefined;
  readonly redisUrl?: string | undefined;
}

export function crashProvider({ folder, redisUrl }: CrashBroker): EventProvider {
  if (redisUrl !== undefined) return redisBroker(redisUrl);
  return folder === undefined
    ? localProvider()
    : sqliteProvider({ directory: folder, leaseMs: 500, pollEveryMs: 20 });
}
