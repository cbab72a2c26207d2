import { setTimeout as sleep } from "node:timers/promises";
import { BusbarError } from "@busbar/core";
import type { SqlStore } from "@busbar/sql";
import { OwnWork } from "@busbar/sql/feature";
import { outboxSql } from "./outbox-sql.ts";

/** Options of {@link Outbox.drained}. */
export interface DrainedOptions {
  /**
   * Milliseconds after which `drained` rejects.
   *
   * @default 10_000
   */
  readonly timeoutMs?: number | undefined;
}

/** Milliseconds before the second look; doubles up to the longest. */
const AGAIN_AFTER_MS = 10;
const AGAIN_AFTER_AT_MOST_MS = 250;

/** Resolves once an outbox has no pending events, whichever process publishes them. */
export async function whenDrained<Tx>(store: SqlStore<Tx>, timeoutMs: number): Promise<void> {
  const work = new OwnWork(store);
  const pending = `SELECT 1 AS one FROM ${outboxSql(store).outbox}
    WHERE state IN ('pending', 'claimed') LIMIT 1`;
  const deadline = performance.now() + timeoutMs;
  let waitMs = AGAIN_AFTER_MS;
  while ((await work.execute(pending)).length > 0) {
    if (performance.now() >= deadline) {
      const what = "the outbox";
      const message = `The outbox still has events to publish after ${timeoutMs} ms`;
      throw new BusbarError("BUSBAR_TIMEOUT", message, { timeoutMs, what });
    }
    await sleep(Math.min(waitMs, Math.max(1, deadline - performance.now())));
    waitMs = Math.min(2 * waitMs, AGAIN_AFTER_AT_MOST_MS);
  }
}
