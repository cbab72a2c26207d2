import type { JsonObject } from "./json.ts";

/** What an instance has written on the board. */
export interface PostedReport {
  /** The instance that wrote the report. */
  readonly instanceId: string;
  /** The report, unchanged. */
  readonly report: JsonObject;
  /** When the instance wrote it: milliseconds since the epoch, by the clock of the provider's server. */
  readonly writtenAt: number;
}

/**
 * Where the instances of a bus show each other what they do: reports that expire, and a short feed for anyone who
 * watches. Nothing depends on the board: a provider may lose what is on it.
 */
export interface InstanceBoard {
  /**
   * Writes the report of an instance in place of its last one. The report is listed until `ttlMs` milliseconds have
   * passed. Resolves with whether anyone watches the feed.
   */
  post(
    instanceId: string,
    report: JsonObject,
    options: { readonly ttlMs: number },
  ): Promise<{ readonly watched: boolean }>;
  /** Resolves with the reports that have not expired. */
  list(): Promise<readonly PostedReport[]>;
  /** Removes the report of an instance. */
  remove(instanceId: string): Promise<void>;
  /** Says that somebody watches the feed, until `ttlMs` milliseconds have passed. Several may watch. */
  watch(options: { readonly ttlMs: number }): Promise<void>;
  /** Adds entries to the feed, which keeps at most the last `keep` of them, for a minute. */
  show(entries: readonly JsonObject[], options: { readonly keep: number }): Promise<void>;
  /**
   * Resolves with the entries that came after a cursor, the oldest first, and with the cursor of the last one. Without
   * a cursor it resolves with no entries, and with the cursor of the present end. An unknown cursor reads from the
   * oldest entry that is left.
   */
  read(
    cursor: string | undefined,
    options: { readonly limit: number },
  ): Promise<{ readonly entries: readonly JsonObject[]; readonly cursor: string }>;
}
