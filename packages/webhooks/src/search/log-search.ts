import type { SqlExecutor, SqlRow, SqlStore } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";
import type { DeliveryAttempt, WebhookDelivery } from "../contract/delivery.ts";
import type { PageOf } from "../contract/subscription.ts";
import { Candidates, distinctValues, type Way } from "./candidates.ts";
import { type Condition, usesMember } from "./condition.ts";
import { LOG_FIELDS } from "./fields.ts";
import { type LogCursor, readCursor, writeCursor } from "./log-cursor.ts";
import { type LogFacts, logCondition } from "./log-condition.ts";
import { attemptOf, deliveryOf, recordColumns, recordOf } from "./log-rows.ts";
import { ATTEMPTS, DELIVERIES, type LogSource, UNINDEXED } from "./log-source.ts";
import { readQuery } from "./lucene-query.ts";
import { compilePredicate, type Predicate } from "./predicate.ts";
import { Statement } from "./statement.ts";

/** Rows that are looked into at once, where SQL alone cannot tell whether they match. */
const CHUNK = 64;
/** Rows that one page looks into at most. A page may have fewer rows than asked for, and a cursor to go on with. */
const MOST_LOOKED_INTO = 20_000;
/** Names of events that a log has at most for a search by name to use them one by one. */
const MOST_NAMES = 100_000;
/** Rows that the index may lack for a search still to begin with the index. */
const MOST_UNINDEXED = 5_000;

/** What is searched for. Times are milliseconds since the epoch. */
export interface LogSearch {
  /** In Lucene's syntax. */
  readonly query?: string | undefined;
  /** From this time on. */
  readonly since?: number | undefined;
  /** Before this time. */
  readonly until?: number | undefined;
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

/** A delivery, without what is derived from it. */
export type DeliveryRow = Omit<WebhookDelivery, "statusText">;

/**
 * Finds attempts, newest first.
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

/** Finds deliveries, newest first. Success, status code, error and response are those of the latest attempt. */
export function searchDeliveries(
  store: SqlStore,
  search: LogSearch,
  page: LogPage = {},
): Promise<PageOf<DeliveryRow>> {
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
    const { rows, next } = await run.page(CHUNK, after);
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

/** A way, with what is needed to go it. */
type KnownWay =
  | Exclude<Way, { type: "documents" }>
  | {
      readonly type: "rows";
      readonly eventIds: readonly string[];
      readonly others: readonly (string | number)[];
    }
  | { readonly type: "unindexed" };

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

/** One search, which gives any number of pages. */
class SearchRun {
  readonly #own: SqlExecutor;
  readonly #sql: Sql;
  readonly #facts: LogFacts;
  readonly #condition: Condition;
  readonly #search: LogSearch;
  readonly #ways: readonly KnownWay[] | undefined;
  readonly #matches: Predicate;
  /** Whether SQL alone finds what the query matches. */
  readonly isExact: boolean;

  constructor(
    own: SqlExecutor,
    sql: Sql,
    facts: LogFacts,
    condition: Condition,
    search: LogSearch,
    ways: readonly KnownWay[] | undefined,
  ) {
    this.#own = own;
    this.#sql = sql;
    this.#facts = facts;
    this.#condition = condition;
    this.#search = search;
    this.#ways = ways;
    this.#matches = compilePredicate(condition);
    this.isExact = logCondition(condition, facts, new Statement(sql)).isExact;
  }

  async count(): Promise<number> {
    const statement = new Statement(this.#sql);
    const { source } = this.#facts;
    const ways = this.#ways?.map((way) => this.#wayCondition(way, statement)) ?? ["TRUE"];
    if (ways.length === 0) return 0;
    const [row] = await this.#own.execute(
      `SELECT count(*) AS count FROM ${source.from(this.#sql)}
        WHERE ${this.#where(statement)} AND (${ways.join(" OR ")})`,
      statement.values,
    );
    return Number(row?.["count"] ?? 0);
  }

  /** Reads the rows of a page, and where the next one begins. */
  async page(
    limit: number,
    after: LogCursor | null,
  ): Promise<{ readonly rows: readonly SqlRow[]; readonly next: LogCursor | null }> {
    const rows: { readonly row: SqlRow; readonly place: LogCursor }[] = [];
    let last = after;
    for (let lookedInto = 0; ;) {
      const wanted = this.isExact ? limit + 1 - rows.length : CHUNK;
      const places = await this.#places(wanted, last);
      const loaded = await this.#load(places);
      for (const place of places) {
        const row = loaded.get(place.number);
        if (row && (this.isExact || this.#matches(recordOf(row)))) rows.push({ row, place });
      }
      if (rows.length > limit) {
        const page = rows.slice(0, limit);
        return { rows: page.map(({ row }) => row), next: page.at(-1)?.place ?? null };
      }
      if (places.length < wanted) return { rows: rows.map(({ row }) => row), next: null };
      last = places.at(-1) ?? null;
      lookedInto += places.length;
      if (lookedInto >= MOST_LOOKED_INTO) return { rows: rows.map(({ row }) => row), next: last };
    }
  }

  /** The next rows, of all ways, in their order. */
  async #places(limit: number, after: LogCursor | null): Promise<readonly LogCursor[]> {
    if (!this.#ways) return this.#placesOf(undefined, limit, after);
    const found = new Map<number, LogCursor>();
    for (const way of this.#ways) {
      for (const place of await this.#placesOf(way, limit, after)) found.set(place.number, place);
    }
    return [...found.values()]
      .toSorted((a, b) => b.time - a.time || b.number - a.number)
      .slice(0, limit);
  }

  async #placesOf(
    way: KnownWay | undefined,
    limit: number,
    after: LogCursor | null,
  ): Promise<readonly LogCursor[]> {
    const { source } = this.#facts;
    const statement = new Statement(this.#sql);
    // Rows that are known are sorted: the order must not lead the database to read all rows in it.
    const isSorted = way !== undefined && way.type !== "column";
    const [time, number] = [source.time, source.number].map((column) =>
      isSorted ? `(${column} + 0)` : column,
    );
    const parts = [this.#where(statement)];
    if (way) parts.push(this.#wayCondition(way, statement));
    if (after) {
      parts.push(
        `${time} <= ${after.time} AND (${time} < ${after.time} OR ${number} < ${after.number})`,
      );
    }
    const rows = await this.#own.execute(
      `SELECT ${source.time} AS time, ${source.number} AS number FROM ${source.from(this.#sql)}
        WHERE ${parts.join(" AND ")} ORDER BY ${time} DESC, ${number} DESC LIMIT ${limit}`,
      statement.values,
    );
    return rows.map((row) => ({ time: Number(row["time"]), number: Number(row["number"]) }));
  }

  #where(statement: Statement): string {
    const { since, until } = this.#search;
    const { time } = this.#facts.source;
    const parts = [logCondition(this.#condition, this.#facts, statement).sql];
    if (since !== undefined) parts.push(`${time} >= ${statement.number(since)}`);
    if (until !== undefined) parts.push(`${time} < ${statement.number(until)}`);
    return parts.join(" AND ");
  }

  #wayCondition(way: KnownWay, statement: Statement): string {
    const { members, number, kind } = this.#facts.source;
    switch (way.type) {
      case "column": {
        const value =
          typeof way.value === "number" ? statement.number(way.value) : statement.value(way.value);
        return `${members[way.column]} = ${value}`;
      }
      case "rows": {
        const others =
          kind === "attempts"
            ? statement.among(number, way.others, "bigint")
            : statement.among(members.deliveryId, way.others, "text");
        return `(${statement.among(members.eventId, way.eventIds, "text")} OR ${others})`;
      }
      case "unindexed":
        return UNINDEXED;
    }
  }

  async #load(places: readonly LogCursor[]): Promise<ReadonlyMap<number, SqlRow>> {
    if (places.length === 0) return new Map();
    const { source } = this.#facts;
    const statement = new Statement(this.#sql);
    const numbers = places.map(({ number }) => number);
    const rows = await this.#own.execute(
      `SELECT ${recordColumns(source, !this.isExact)} FROM ${source.from(this.#sql)}
        WHERE ${statement.among(source.number, numbers, "bigint")}`,
      statement.values,
    );
    return new Map(rows.map((row) => [Number(row["place"]), row]));
  }
}
