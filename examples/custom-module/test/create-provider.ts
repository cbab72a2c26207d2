import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProviderRequest } from "@busbar/conformance";
import type { EventProvider } from "@busbar/core/provider";
import { sqliteProvider } from "../src/index.ts";

const directory = join(tmpdir(), "busbar-sqlite");

/** The suite calls it here, and in the processes that it kills. */
export function createProvider(_request: ProviderRequest): EventProvider {
  return sqliteProvider({ directory, leaseMs: 1_000, pollEveryMs: 25 });
}

export async function removeDatabase({ namespace }: ProviderRequest): Promise<void> {
  for (const ending of ["db", "db-wal", "db-shm"]) {
    await rm(join(directory, `${namespace}.${ending}`), { force: true });
  }
}
