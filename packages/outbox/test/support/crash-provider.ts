import type { EventProvider } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { sqliteProvider } from "busbar-sqlite";

/** A provider in memory, or a durable one with its files in a folder. */
export function crashProvider(folder: string | undefined): EventProvider {
  return folder === undefined
    ? localProvider()
    : sqliteProvider({ directory: folder, leaseMs: 500, pollEveryMs: 20 });
}
