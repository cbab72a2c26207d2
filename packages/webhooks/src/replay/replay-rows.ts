import type { SqlRow } from "@busbar/sql";
import type { ReplayProgress } from "../contract/delivery.ts";
import type { LogSearch } from "../search/log-search.ts";
import { textOf, timeOf, wholeOf } from "../store/webhook-store.ts";

/** What a replay was asked for, as its row has it. */
export interface StoredOptions extends Pick<
  LogSearch,
  "query" | "since" | "until" | "upTo" | "deadSince"
> {
  readonly to: "original" | "matched";
  readonly perSecond?: number | undefined;
}

/** The columns that {@link progressOf} reads. */
export const PROGRESS_COLUMNS =
  "number, id, state, options, total, done, skipped, created_at, created_by, finished_at, error";

/** Returns what a row says that a replay was asked for. */
export function storedOptionsOf(row: SqlRow): StoredOptions {
  return JSON.parse(String(row["options"])) as StoredOptions;
}

/** Returns a row as it is shown. */
export function progressOf(row: SqlRow): ReplayProgress {
  const { query, perSecond } = storedOptionsOf(row);
  return {
    id: String(row["id"]),
    query: query ?? "",
    state: row["state"] as ReplayProgress["state"],
    total: wholeOf(row["total"]),
    done: wholeOf(row["done"]),
    skipped: wholeOf(row["skipped"]),
    perSecond: perSecond ?? null,
    createdAt: new Date(wholeOf(row["created_at"])),
    createdBy: textOf(row["created_by"]),
    finishedAt: timeOf(row["finished_at"]),
    error: textOf(row["error"]),
  };
}
