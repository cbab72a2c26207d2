import type { SqlExecutor, SqlRow } from "@busbar/sql";
import type { Sql } from "@busbar/sql/feature";
import type { Way } from "./candidates.ts";
import type { Condition } from "./condition.ts";
import { type LogFacts, logCondition } from "./log-condition.ts";
import type { LogCursor } from "./log-cursor.ts";
import { recordColumns, recordOf } from "./log-rows.ts";
import { UNINDEXED } from "./log-source.ts";
import { compilePredicate, type Predicate } from "./predicate.ts";
import { Statement } from "./statement.ts";

/** Rows that are looked into at once, where SQL alone cannot tell whether they match. */
const CHUNK = 64;
/** Rows that one page looks into at most. A page may have fewer rows than asked for, and a cursor to go on with. */
const MOST_LOOKED_INTO = 20_000;

/** How many times as many rows the first part has as are asked for, and the next part as the one before. */
const FIRST_PART = 4;

/** A way, with what is needed to go it. */
export type KnownWay =
  | Exclude<Way, { type: "documents" }>
  | {
      readonly type: "rows";
      readonly eventIds: readonly string[];
      /** Ids of attempts, or of deliveries. */
      readonly others: readonly (string | number)[];
    }
  | { readonly type: "unindexed" };

/** The times that are searched. */
export interface TimeRange {
  /** Milliseconds since the epoch: from this time on. */
  readonly since?: number | undefined;
  /** Milliseconds since the epoch: before this time. */
  readonly until?: number | undefined;
}

/** Which rows are searched, and in which order. */
export interface SearchScope {
  /** Only rows up to this number, so that rows that are written later do not count. All by default. */
  readonly upTo?: number | undefined;
  /** Milliseconds since the epoch: only deliveries that are dead, and were last attempted at this time or later. */
  readonly deadSince?: number | undefined;
  /** @default "newest first" */
  readonly order?: "newest first" | "oldest first" | undefined;
}

/** How much one search may do at once. */
export interface SearchLimits {
  /**
   * Rows that one statement reads at most: with SQLite, nothing else runs in the process meanwhile.
   *
   * @default 10_000
   */
  readonly rowsAtOnce?: number | undefined;
  /**
   * Milliseconds after which a page ends early, with a cursor.
   *
   * @default 2_000
   */
  readonly pageMs?: number | undefined;
}

/** The next rows that may match. */
interface Places {
  readonly places: readonly LogCursor[];
  /** Up to where there are no others. Null: to the end. Of no account if there are as many as asked for. */
  readonly reached: LogCursor | null;
}

/** One search, which gives any number of pages. */
export class SearchRun {
  readonly #own: SqlExecutor;
  readonly #sql: Sql;
  readonly #facts: LogFacts;
  readonly #condition: Condition;
  readonly #range: TimeRange;
  readonly #scope: SearchScope;
  readonly #order: Order;
  readonly #rowsAtOnce: number;
  readonly #pageMs: number;
  readonly #failedOnly: boolean;
  readonly #ways: readonly KnownWay[] | undefined;
  readonly #matches: Predicate;
  /** Whether SQL alone finds what the query matches. */
  readonly isExact: boolean;

  constructor(
    own: SqlExecutor,
    sql: Sql,
    facts: LogFacts,
    condition: Condition,
    search: TimeRange & SearchLimits & SearchScope,
    ways: readonly KnownWay[] | undefined,
  ) {
    this.#own = own;
    this.#sql = sql;
    this.#facts = facts;
    this.#condition = condition;
    this.#range = narrowed(search, condition);
    this.#scope = search;
    this.#order = search.order === "oldest first" ? OLDEST_FIRST : NEWEST_FIRST;
    this.#rowsAtOnce = search.rowsAtOnce ?? 10_000;
    this.#pageMs = search.pageMs ?? 2_000;
    this.#failedOnly = facts.source.kind === "attempts" && necessary(condition).some(isFailure);
    this.#ways = ways;
    this.#matches = compilePredicate(condition);
    this.isExact = logCondition(condition, facts, new Statement(sql)).isExact;
  }

  /** Counts all that matches, a part of the log at a time. Only for a search that is exact. */
  async count(): Promise<number> {
    if (this.#ways?.length === 0) return 0;
    const { source } = this.#facts;
    let count = 0;
    for (let after: LogCursor | null = null; ;) {
      const floor: LogCursor | null = this.#ways
        ? null
        : await this.#floor(undefined, after, this.#rowsAtOnce);
      const statement = new Statement(this.#sql);
      const ways = this.#ways?.map((way) => this.#wayCondition(way, statement)) ?? ["TRUE"];
      const parts = [this.#where(statement), `(${ways.join(" OR ")})`];
      parts.push(...this.#bounds(source.time, source.number, after, floor));
      const [row] = await this.#own.execute(
        `SELECT count(*) AS count FROM ${source.from(this.#sql)} WHERE ${parts.join(" AND ")}`,
        statement.values,
      );
      count += Number(row?.["count"] ?? 0);
      if (!floor) return count;
      after = floor;
    }
  }

  /** Reads the rows of a page, and where the next one begins. */
  async page(
    limit: number,
    after: LogCursor | null,
  ): Promise<{ readonly rows: readonly SqlRow[]; readonly next: LogCursor | null }> {
    const deadline = performance.now() + this.#pageMs;
    const rows: { readonly row: SqlRow; readonly place: LogCursor }[] = [];
    const page = (next: LogCursor | null) => ({ rows: rows.map(({ row }) => row), next });
    let last = after;
    for (let lookedInto = 0; ;) {
      const wanted = this.isExact ? limit + 1 - rows.length : CHUNK;
      const { places, reached } = await this.#places(wanted, last, deadline);
      const loaded = await this.#load(places);
      for (const place of places) {
        const row = loaded.get(place.number);
        if (row && (this.isExact || this.#matches(recordOf(row)))) rows.push({ row, place });
      }
      if (rows.length > limit) {
        rows.length = limit;
        return page(rows.at(-1)?.place ?? null);
      }
      last = places.length < wanted ? reached : (places.at(-1) ?? null);
      if (!last) return page(null);
      lookedInto += places.length;
      if (lookedInto >= MOST_LOOKED_INTO || performance.now() >= deadline) return page(last);
    }
  }

  /** The next rows, of all ways, in their order. */
  async #places(limit: number, after: LogCursor | null, deadline: number): Promise<Places> {
    if (!this.#ways) return this.#placesOf(undefined, limit, after, deadline);
    const { compare } = this.#order;
    const found = new Map<number, LogCursor>();
    let reached: LogCursor | null = null;
    for (const way of this.#ways) {
      const part = await this.#placesOf(way, limit, after, deadline);
      for (const place of part.places) found.set(place.number, place);
      const isShort = part.places.length < limit && part.reached !== null;
      // What comes after the place that one way has reached, that way may have more of.
      if (isShort && (!reached || compare(part.reached, reached) < 0)) reached = part.reached;
    }
    const places = [...found.values()].toSorted(compare);
    const certain = reached ? places.filter((place) => compare(place, reached) <= 0) : places;
    return { places: certain.slice(0, limit), reached };
  }

  async #placesOf(
    way: KnownWay | undefined,
    limit: number,
    after: LogCursor | null,
    deadline: number,
  ): Promise<Places> {
    const places: LogCursor[] = [];
    // The first part is short: most pages are full with it, and a database may read a part as a whole.
    let rowsAtOnce = Math.min(FIRST_PART * limit, this.#rowsAtOnce);
    for (let from = after; ;) {
      const floor = await this.#floor(way, from, rowsAtOnce);
      rowsAtOnce = Math.min(FIRST_PART * rowsAtOnce, this.#rowsAtOnce);
      places.push(...(await this.#placesWithin(way, limit - places.length, from, floor)));
      if (places.length >= limit || !floor) return { places, reached: null };
      if (performance.now() >= deadline) return { places, reached: floor };
      from = floor;
    }
  }

  async #placesWithin(
    way: KnownWay | undefined,
    limit: number,
    after: LogCursor | null,
    floor: LogCursor | null,
  ): Promise<readonly LogCursor[]> {
    const { source } = this.#facts;
    const { direction } = this.#order;
    const statement = new Statement(this.#sql);
    // Rows that are known are sorted: the order must not lead the database to read all rows in it.
    const isSorted = way !== undefined && way.type !== "column";
    const [time, number] = [source.time, source.number].map((column) =>
      isSorted ? `(${column} + 0)` : column,
    ) as [string, string];
    const parts = [this.#where(statement), ...this.#bounds(time, number, after, floor)];
    if (way) parts.push(this.#wayCondition(way, statement));
    const rows = await this.#own.execute(
      `SELECT ${source.time} AS time, ${source.number} AS number FROM ${source.from(this.#sql)}
        WHERE ${parts.join(" AND ")} ORDER BY ${time} ${direction}, ${number} ${direction} LIMIT ${limit}`,
      statement.values,
    );
    return rows.map(placeOf);
  }

  /** The place up to which one statement reads. Null: to the end. */
  async #floor(
    way: KnownWay | undefined,
    after: LogCursor | null,
    rows: number,
  ): Promise<LogCursor | null> {
    const isLong =
      way?.type === "column" && /^(eventName|subscriptionId|errorClass)$/.test(way.column);
    if (way && !isLong) return null;
    const { table, time, number } = this.#facts.source;
    const { direction } = this.#order;
    const statement = new Statement(this.#sql);
    const parts = [...this.#always(statement), ...this.#bounds(time, number, after, null)];
    if (way) parts.push(this.#wayCondition(way, statement));
    const [row] = await this.#own.execute(
      `SELECT ${time} AS time, ${number} AS number FROM ${table(this.#sql)}
        ${parts.length === 0 ? "" : `WHERE ${parts.join(" AND ")}`}
        ORDER BY ${time} ${direction}, ${number} ${direction} LIMIT 1 OFFSET ${rows - 1}`,
      statement.values,
    );
    return row ? placeOf(row) : null;
  }

  /** The conditions that a row comes after one place, and not after another. */
  #bounds(
    time: string,
    number: string,
    after: LogCursor | null,
    floor: LogCursor | null,
  ): readonly string[] {
    const { behind, before } = this.#order;
    const parts = [];
    if (after) {
      parts.push(
        `${time} ${behind}= ${after.time}
          AND (${time} ${behind} ${after.time} OR ${number} ${behind} ${after.number})`,
      );
    }
    if (floor) {
      parts.push(
        `${time} ${before}= ${floor.time}
          AND (${time} ${before} ${floor.time} OR ${number} ${before}= ${floor.number})`,
      );
    }
    return parts;
  }

  #where(statement: Statement): string {
    const { sql } = logCondition(this.#condition, this.#facts, statement);
    const { upTo, deadSince } = this.#scope;
    const parts = [sql, ...this.#always(statement)];
    if (upTo !== undefined) parts.push(`${this.#facts.source.number} <= ${upTo}`);
    if (deadSince !== undefined) {
      parts.push(`d.state = 'dead' AND d.last_attempt_at >= ${statement.number(deadSince)}`);
    }
    return parts.join(" AND ");
  }

  /** What the query asks for of all that it matches, in the words of the indexes of the log. */
  #always(statement: Statement): readonly string[] {
    const { since, until } = this.#range;
    const { time } = this.#facts.source;
    return [
      ...(since === undefined ? [] : [`${time} >= ${statement.number(since)}`]),
      ...(until === undefined ? [] : [`${time} < ${statement.number(until)}`]),
      ...(this.#failedOnly ? ["a.success = 0"] : []),
    ];
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
        // With FALSE for an empty list, SQLite would read all rows.
        const parts = [];
        if (way.eventIds.length > 0) {
          parts.push(statement.among(members.eventId, way.eventIds, "text"));
        }
        if (way.others.length > 0) {
          parts.push(
            kind === "attempts"
              ? statement.among(number, way.others, "bigint")
              : statement.among(members.deliveryId, way.others, "text"),
          );
        }
        return parts.length === 0 ? "FALSE" : `(${parts.join(" OR ")})`;
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

/** How rows are ordered, in SQL and in memory. */
interface Order {
  readonly direction: "ASC" | "DESC";
  /** What a row is that comes later. */
  readonly behind: "<" | ">";
  /** What a row is that comes earlier. */
  readonly before: "<" | ">";
  readonly compare: (a: LogCursor, b: LogCursor) => number;
}

const NEWEST_FIRST: Order = {
  direction: "DESC",
  behind: "<",
  before: ">",
  compare: (a, b) => b.time - a.time || b.number - a.number,
};

const OLDEST_FIRST: Order = {
  direction: "ASC",
  behind: ">",
  before: "<",
  compare: (a, b) => a.time - b.time || a.number - b.number,
};

/** The conditions that all have to be met. */
function necessary(condition: Condition): readonly Condition[] {
  return condition.type === "bool" ? condition.must.flatMap(necessary) : [condition];
}

/** Whether only failed attempts meet a condition: no other has an error class. */
function isFailure(condition: Condition): boolean {
  if (condition.type !== "member") return false;
  if (condition.member === "errorClass") return true;
  if (condition.member !== "success") return false;
  return condition.test.type === "values" && condition.test.values.every((value) => !value);
}

/** The times of a search, with those that the query itself asks for. */
function narrowed(range: TimeRange, condition: Condition): TimeRange {
  let { since, until } = range;
  for (const each of necessary(condition)) {
    if (each.type !== "member" || each.member !== "created" || each.test.type !== "span") continue;
    const { min, max } = each.test.span;
    if (min !== null) since = Math.max(since ?? min, min);
    if (max !== null) until = Math.min(until ?? max, max);
  }
  return { since, until };
}

function placeOf(row: SqlRow): LogCursor {
  return { time: Number(row["time"]), number: Number(row["number"]) };
}
