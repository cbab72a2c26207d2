import { systemClock } from "@busbar/core/provider";
import type { SqlRow } from "@busbar/sql";
import { textOf, type WebhookStore, wholeOf, wholeOrNull } from "../store/webhook-store.ts";
import type { Breaker } from "./breaker.ts";
import type { EndpointOptions, EndpointOptionsCache } from "./endpoint-options.ts";
import { type Endpoint, ENDPOINT_COLUMNS, endpointOf } from "./endpoints.ts";
import { allowedBy, nextAllowedAt } from "./rate.ts";
import { FREQUENT, isOneOf } from "./sql-parts.ts";

/** Endpoints that are looked at together. */
const VISITED = 200;

/** An endpoint that has something due, with its subscription as it is now. */
export interface Candidate {
  readonly endpoint: Endpoint;
  readonly version: number;
  readonly options: EndpointOptions;
}

/** Options of {@link DueEndpoints}. */
export interface DueEndpointsOptions {
  readonly store: WebhookStore;
  readonly endpointOptions: EndpointOptionsCache;
  readonly breaker: Breaker;
}

/** What of a slice of the endpoints was found. */
interface Slice {
  readonly now: number;
  readonly candidates: readonly Candidate[];
  /** Whether there are no endpoints behind it. */
  readonly isLast: boolean;
  readonly lastId: string;
  /** When something becomes due that is not yet. */
  readonly nextAt: number | undefined;
  /** Deleted subscriptions whose deliveries wait. */
  readonly deleted: readonly string[];
  /** Subscriptions that have no endpoint. */
  readonly withoutRow: readonly string[];
}

/** Finds endpoints that have something due and take attempts: some at a time, round after round. */
export class DueEndpoints {
  readonly #options: DueEndpointsOptions;
  readonly #store: WebhookStore;
  /** The endpoint behind which the next look begins. */
  #cursor = "";
  /** Whether this round has begun with the first endpoint, and gone on without a gap. */
  #isWhole = false;
  /** When something becomes due, of what this round has seen. */
  #nextAt: number | undefined;
  /** Where the look ended. Undefined at the last endpoint. */
  #end: string | undefined;

  constructor(options: DueEndpointsOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /** Resolves with the next endpoints, the clock of the store, and this process's at the end of that statement. */
  async next(): Promise<Pick<Slice, "now" | "candidates"> & { readonly nowAt: number }> {
    if (this.#cursor === "") {
      this.#isWhole = true;
      this.#nextAt = undefined;
    }
    const rows = await this.#visit();
    const nowAt = systemClock.monotonic();
    const slice = await this.#sliceOf(rows);
    this.#nextAt = sooner(this.#nextAt, slice.nextAt);
    this.#end = slice.isLast ? undefined : slice.lastId;
    if (slice.deleted.length > 0) await this.#cancel(slice.deleted);
    if (slice.withoutRow.length > 0) await this.#addEndpoints(slice.withoutRow);
    return { ...slice, nowAt };
  }

  /**
   * Goes on to the endpoints behind. Returns when something becomes due, if this has been all of them, and `now` if there
   * are more to look at.
   *
   * @param cutAfter The last endpoint that had its turn, if not all of them had.
   * @param hasClaimed Whether something was claimed: then those that had no turn are offered one after all others.
   */
  moveOn(cutAfter: string | undefined, hasClaimed: boolean): number | "now" | undefined {
    const isEnd = cutAfter === undefined && this.#end === undefined;
    const isOver = isEnd && this.#isWhole;
    this.#cursor = cutAfter ?? this.#end ?? "";
    if (cutAfter !== undefined && hasClaimed) this.#isWhole = false;
    return isOver ? this.#nextAt : "now";
  }

  /** Looks at the next endpoints that have something waiting. One step along an index for each. */
  async #visit(): Promise<readonly SqlRow[]> {
    const { own, tables, sql } = this.#store;
    const waiting = "waiting.state = 'waiting' AND waiting.due_at IS NOT NULL";
    const next = (after: string): string =>
      `SELECT min(waiting.subscription_id) FROM ${tables.deliveries} AS waiting
        WHERE ${waiting} AND waiting.subscription_id > ${after}`;
    return own.execute(
      `WITH RECURSIVE found (id, visited) AS (
          SELECT (${next("CAST($1 AS text)")}), 1
          UNION ALL
          SELECT (${next("found.id")}), visited + 1 FROM found
          WHERE found.id IS NOT NULL AND visited < ${VISITED})
        SELECT found.id, (SELECT min(waiting.due_at) FROM ${tables.deliveries} AS waiting
            WHERE ${waiting} AND waiting.subscription_id = found.id) AS due_at,
          ${sql.now} AS now, subscriptions.version, subscriptions.enabled, subscriptions.deleted_at,
          ${ENDPOINT_COLUMNS}
        FROM found
        LEFT JOIN ${tables.subscriptions} AS subscriptions ON subscriptions.id = found.id
        LEFT JOIN ${tables.endpoints} AS endpoints ON endpoints.subscription_id = found.id`,
      [this.#cursor],
      FREQUENT,
    );
  }

  async #sliceOf(rows: readonly SqlRow[]): Promise<Slice> {
    const now = Number(rows[0]?.["now"]);
    const found = rows.filter((row) => row["id"] !== null);
    const deleted = found.filter((row) => row["version"] === null || row["deleted_at"] !== null);
    const enabled = found.filter(
      (row) => Number(row["enabled"]) === 1 && row["deleted_at"] === null,
    );
    let nextAt: number | undefined;
    const due: SqlRow[] = [];
    for (const row of enabled) {
      const at = this.#readyAt(row, now);
      if (at <= now) due.push(row);
      else nextAt = sooner(nextAt, at);
    }
    const versions = due.map((row) => ({
      id: String(row["id"]),
      version: wholeOf(row["version"]),
    }));
    const options = await this.#options.endpointOptions.of(this.#store.own, versions);
    const candidates: Candidate[] = [];
    for (const row of due) {
      const of = options.get(String(row["id"]));
      if (row["subscription_id"] === null || !of) continue;
      const endpoint = endpointOf(row);
      const { rateWindow } = endpoint;
      if (of.rate !== null && allowedBy(of.rate, rateWindow, now) === 0) {
        nextAt = sooner(nextAt, nextAllowedAt(of.rate, rateWindow, now));
      } else {
        candidates.push({ endpoint, version: wholeOf(row["version"]), options: of });
      }
    }
    const isMissing = (row: SqlRow): boolean => row["subscription_id"] === null;
    return {
      now,
      candidates,
      isLast: found.length < VISITED,
      lastId: textOf(found.at(-1)?.["id"]) ?? "",
      nextAt: enabled.some(isMissing) ? now : nextAt,
      deleted: deleted.map((row) => String(row["id"])),
      withoutRow: enabled.filter(isMissing).map((row) => String(row["id"])),
    };
  }

  /** When an endpoint's first delivery is due, and the endpoint takes attempts. */
  #readyAt(row: SqlRow, now: number): number {
    const due = Math.max(wholeOf(row["due_at"]), wholeOrNull(row["not_before"]) ?? 0);
    if (row["subscription_id"] === null) return due;
    const { health } = endpointOf(row);
    return this.#options.breaker.admits(health, now) === "none"
      ? Math.max(due, health.openUntil ?? 0)
      : due;
  }

  /** Cancels what waits for subscriptions that are deleted: an attempt was under way when they were. */
  async #cancel(subscriptionIds: readonly string[]): Promise<void> {
    const { own, tables, sql } = this.#store;
    await own.execute(
      `UPDATE ${tables.deliveries} SET state = 'cancelled', due_at = NULL
        WHERE ${isOneOf(sql, "subscription_id", "$1", "text")} AND state = 'waiting'`,
      [JSON.stringify(subscriptionIds)],
    );
  }

  async #addEndpoints(subscriptionIds: readonly string[]): Promise<void> {
    const { own, tables, sql } = this.#store;
    const rows = sql.rows("$1", { id: "text" });
    await own.execute(
      `INSERT INTO ${tables.endpoints} (subscription_id)
        SELECT it.id FROM ${rows} AS it WHERE true ON CONFLICT DO NOTHING`,
      [JSON.stringify(subscriptionIds.map((id) => ({ id })))],
    );
  }
}

/** Returns the sooner of two times, if there is one. */
export function sooner(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}
