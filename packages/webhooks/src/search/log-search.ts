import type { SqlExecutor, SqlRow, SqlStore } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";
import type { DeliveryAttempt, WebhookDelivery } from "../contract/delivery.ts";
import type { PageOf } from "../contract/subscription.ts";
import { Candidates, distinctValues, type Way } from "./candidates.ts";
import { type Condition, usesMember } from "./condition.ts";
import { LOG_FIELDS } from "./fields.ts";
import { type LogCursor, readCursor, writeCursor } from "./log-cursor.ts";
import type { LogFacts } from "./log-condition.ts";
import { attemptOf, deliveryOf } from "./log-rows.ts";
import { ATTEMPTS, DELIVERIES, type LogSource } from "./log-source.ts";
import { readQuery } from "./lucene-query.ts";
import {
  type KnownWay,
  type SearchLimits,
  SearchRun,
  type SearchScope,
  type TimeRange,
} from "./search-run.ts";
import { Statement } from "./statement.ts";

/** Rows of a page while matches are counted one by one. */
const COUNTED_AT_ONCE = 500;
/** Names of events that a log has at most for a search by name to use them one by one. */
const MOST_NAMES = 100_000;
/** Rows that the index may lack for a search still to begin with the index. */
const MOST_UNINDEXED = 5_000;

/** What is searched for. */
export interface LogSearch extends TimeRange, SearchLimits, SearchScope {
  /** In Lucene's syntax. */
  readonly query?: string | undefined;
  /**
   * Whether there is a search index. Without it payloads, errors and responses are looked into one by one.
   *
   * @default true
   */
  readonly index?: boolean | undefined;
}

/** Which page. */
export interface LogPage {
  /** @default 50 */
  readonly limit?: number | undefined;
  /** Of the page before. */
  readonly cursor?: string | undefined;
}

/**
 * Finds attempts.
 *
 * @throws {@link LuceneError} for a query that cannot be read, and BusbarError `BUSBAR_INVALID_REQUEST` for a cursor.
 */
export function searchAttempts(
  store: SqlStore,
  search: LogSearch,
  page: LogPage = {},
): Promise<PageOf<DeliveryAttempt>> {
  return searchPage(store, ATTEMPTS, search, page, attemptOf);
}

/** Finds deliveries. Success, status code, error and response are those of the latest attempt. */
export function searchDeliveries(
  store: SqlStore,
  search: LogSearch,
  page: LogPage = {},
): Promise<PageOf<WebhookDelivery>> {
  return searchPage(store, DELIVERIES, search, page, deliveryOf);
}

/** Counts what a search finds. */
export async function countMatches(
  store: SqlStore,
  kind: "attempts" | "deliveries",
  search: LogSearch,
): Promise<number> {
  const source = kind === "attempts" ? ATTEMPTS : DELIVERIES;
  const run = await prepare(store, source, search);
  if (run.isExact) return run.count();
  let count = 0;
  for (let after: LogCursor | null = null; ;) {
    const { rows, next } = await run.page(COUNTED_AT_ONCE, after);
    count += rows.length;
    if (!next) return count;
    after = next;
  }
}

async function searchPage<Item>(
  store: SqlStore,
  source: LogSource,
  search: LogSearch,
  { limit = 50, cursor }: LogPage,
  itemOf: (row: SqlRow) => Item,
): Promise<PageOf<Item>> {
  const after = cursor === undefined ? null : readCursor(cursor);
  const run = await prepare(store, source, search);
  const { rows, next } = await run.page(limit, after);
  return { items: rows.map(itemOf), cursor: next && writeCursor(next) };
}

async function prepare(store: SqlStore, source: LogSource, search: LogSearch): Promise<SearchRun> {
  const condition = readQuery(search.query ?? "", LOG_FIELDS);
  const own = new OwnWork(store);
  const sql = sqlOf(store);
  const facts = await readFacts(own, sql, source, condition, search.index ?? true);
  const ways = await new Candidates(own, sql, facts).of(condition);
  return new SearchRun(own, sql, facts, condition, search, await usableWays(own, sql, ways, facts));
}

async function readFacts(
  own: SqlExecutor,
  sql: Sql,
  source: LogSource,
  condition: Condition,
  hasIndex: boolean,
): Promise<LogFacts> {
  const table = sql.table(`busbar_webhook_${source.kind}`);
  const subscriptions = sql.table("busbar_webhook_subscriptions");
  const looksInside = usesMember(condition, ["payload", "error", "response"]);
  const none: readonly SqlRow[] = [];
  const named = usesMember(condition, ["destination", "notifier"])
    ? await own.execute(`SELECT id, destination, notifier FROM ${subscriptions}`)
    : none;
  const redacting = usesMember(condition, ["payload"])
    ? await own.execute(`SELECT id FROM ${subscriptions} WHERE options LIKE '%"redact":["%'`)
    : none;
  return {
    source,
    hasIndex,
    hasUnindexed: looksInside && hasIndex && (await unindexedCount(own, sql, 1)) > 0,
    eventNames: usesMember(condition, ["eventName"])
      ? await distinctValues(own, table, "event_name", MOST_NAMES)
      : [],
    subscriptions: named.map((row) => ({
      id: String(row["id"]),
      destination: String(row["destination"]),
      notifier: String(row["notifier"]),
    })),
    redacting: redacting.map((row) => String(row["id"])),
  };
}

async function unindexedCount(own: SqlExecutor, sql: Sql, most: number): Promise<number> {
  const part = (table: string): string =>
    `(SELECT count(*) FROM (SELECT 1 AS one FROM ${sql.table(table)} WHERE indexed = 0 LIMIT ${most}) AS it)`;
  const [row] = await own.execute(
    `SELECT ${part("busbar_webhook_events")} + ${part("busbar_webhook_attempts")} AS count`,
  );
  return Number(row?.["count"] ?? 0);
}

/** Looks up the rows of documents. Undefined: all rows are read, newest first. */
async function usableWays(
  own: SqlExecutor,
  sql: Sql,
  ways: readonly Way[] | undefined,
  { source, hasUnindexed }: LogFacts,
): Promise<readonly KnownWay[] | undefined> {
  if (!ways) return undefined;
  const documents = ways.flatMap((way) => (way.type === "documents" ? way.documents : []));
  const known: KnownWay[] = ways.filter((way) => way.type === "column");
  if (documents.length > 0) known.push(await rowsOf(own, sql, source, documents));
  if (!hasUnindexed || !ways.some(({ type }) => type === "documents")) return known;
  // So many are read newest first: what the index lacks is the newest.
  if ((await unindexedCount(own, sql, MOST_UNINDEXED + 1)) > MOST_UNINDEXED) return undefined;
  return [...known, { type: "unindexed" }];
}

async function rowsOf(
  own: SqlExecutor,
  sql: Sql,
  source: LogSource,
  documents: readonly number[],
): Promise<KnownWay> {
  const numbers = documents.filter((id) => id > 0).map((id) => Math.floor(id / 2));
  const attempts = documents.filter((id) => id < 0).map((id) => -id);
  const read = async (table: string, column: string, key: string, keys: readonly number[]) => {
    if (keys.length === 0) return [];
    const statement = new Statement(sql);
    const rows = await own.execute(
      `SELECT ${column} AS found FROM ${sql.table(table)}
        WHERE ${statement.among(key, [...new Set(keys)], "bigint")}`,
      statement.values,
    );
    return rows.flatMap(({ found }) => (typeof found === "string" ? [found] : []));
  };
  return {
    type: "rows",
    eventIds: await read("busbar_webhook_events", "id", "number", numbers),
    others:
      source.kind === "attempts"
        ? attempts
        : await read("busbar_webhook_attempts", "delivery_id", "id", attempts),
  };
}
