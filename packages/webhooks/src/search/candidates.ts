import type { SqlExecutor } from "@busbar/sql";
import type { Sql } from "@busbar/sql/feature";
import { ERROR_CLASSES } from "../contract/notifier.ts";
import type { Condition, LeafTest } from "./condition.ts";
import { payloadPath } from "./documents.ts";
import { type LogFacts, namesThatFit, termCondition } from "./log-condition.ts";
import { Statement } from "./statement.ts";

/** Documents, or values of a column, that are looked up one by one at most. Above that, rows are read newest first. */
const MOST_DOCUMENTS = 2_000;
const MOST_VALUES = 50;
/** Paths of payloads that a word without a field is looked for at. */
const MOST_PATHS = 1_000;

/** A way to what a query matches: all that it matches is found by one of several. */
export type Way =
  | {
      readonly type: "column";
      readonly column:
        | "eventName"
        | "subscriptionId"
        | "errorClass"
        | "deliveryId"
        | "eventId"
        | "logId";
      readonly value: string | number;
    }
  | { readonly type: "documents"; readonly documents: readonly number[] };

/** Finds ways to what a query matches, by means of the indexes. */
export class Candidates {
  readonly #own: SqlExecutor;
  readonly #sql: Sql;
  readonly #facts: LogFacts;
  #paths: Promise<readonly string[] | undefined> | undefined;

  constructor(own: SqlExecutor, sql: Sql, facts: LogFacts) {
    this.#own = own;
    this.#sql = sql;
    this.#facts = facts;
  }

  /** Returns the ways. Undefined: it matches so much that it is found soon by reading the newest first. */
  async of(condition: Condition): Promise<readonly Way[] | undefined> {
    switch (condition.type) {
      case "all":
        return undefined;
      case "bool":
        return this.#ofBool(condition);
      case "member":
        return this.#ofMember(condition);
      case "text":
        return this.#documents([condition.member], condition.test);
      case "payload":
        return this.#documents(condition.paths?.map(payloadPath) ?? null, condition.test);
    }
  }

  async #ofBool({
    must,
    should,
  }: Condition & { type: "bool" }): Promise<readonly Way[] | undefined> {
    if (must.length === 0) {
      if (should.length === 0) return undefined;
      const all: Way[] = [];
      for (const each of should) {
        const ways = await this.of(each);
        if (!ways) return undefined;
        all.push(...ways);
      }
      return all.length <= 2 * MOST_VALUES ? all : undefined;
    }
    let best: readonly Way[] | undefined;
    for (const each of must) {
      const ways = await this.of(each);
      if (ways && (!best || costOf(ways) < costOf(best))) best = ways;
    }
    return best;
  }

  async #ofMember({
    member,
    test,
  }: Condition & { type: "member" }): Promise<readonly Way[] | undefined> {
    const { eventNames, subscriptions } = this.#facts;
    switch (member) {
      case "eventName":
        return test.type === "exists"
          ? undefined
          : columnWays(member, namesThatFit(test, eventNames));
      case "destination":
      case "notifier": {
        if (test.type === "exists") return undefined;
        const fitting = new Set(
          namesThatFit(
            test,
            subscriptions.map((each) => each[member]),
          ),
        );
        const ids = subscriptions.filter((each) => fitting.has(each[member])).map(({ id }) => id);
        return columnWays("subscriptionId", ids);
      }
      case "errorClass":
        // A word that is no class of errors finds nothing among them.
        return test.type === "exists"
          ? undefined
          : columnWays(member, namesThatFit(test, ERROR_CLASSES));
      case "subscriptionId":
        return test.type === "values" ? this.#ofSubscriptions(test.values as string[]) : undefined;
      case "deliveryId":
      case "eventId":
        return test.type === "values" ? columnWays(member, test.values as string[]) : undefined;
      case "logId":
        return test.type === "values" ? columnWays(member, test.values as number[]) : undefined;
      default:
        return undefined;
    }
  }

  /** Of the subscriptions that there are: for any other, all rows might be read in vain. */
  async #ofSubscriptions(ids: readonly string[]): Promise<readonly Way[] | undefined> {
    const statement = new Statement(this.#sql);
    const rows = await this.#own.execute(
      `SELECT id FROM ${this.#sql.table("busbar_webhook_subscriptions")}
        WHERE ${statement.among("id", ids, "text")}`,
      statement.values,
    );
    return columnWays(
      "subscriptionId",
      rows.map((row) => String(row["id"])),
    );
  }

  async #documents(
    paths: readonly string[] | null,
    condition: LeafTest,
  ): Promise<readonly Way[] | undefined> {
    if (!this.#facts.hasIndex || condition.type === "exists") return undefined;
    if (condition.type === "pattern" && typeof condition.parts[0] !== "string") return undefined;
    const known = paths ?? (await this.#knownPaths());
    if (!known) return undefined;
    const documents = new Set<number>();
    for (const test of indexedParts(condition)) {
      const statement = new Statement(this.#sql);
      const where = [statement.among("t.path", known, "text"), test(statement)];
      const rows = await this.#own.execute(
        `SELECT t.document FROM ${this.#sql.table("busbar_webhook_terms")} AS t
          WHERE ${where.join(" AND ")} LIMIT ${MOST_DOCUMENTS + 1}`,
        statement.values,
      );
      if (rows.length > MOST_DOCUMENTS) return undefined;
      for (const row of rows) documents.add(Number(row["document"]));
    }
    return [{ type: "documents", documents: [...documents] }];
  }

  /** The paths that payloads have. Undefined if there are too many. */
  #knownPaths(): Promise<readonly string[] | undefined> {
    return (this.#paths ??= this.#readPaths());
  }

  async #readPaths(): Promise<readonly string[] | undefined> {
    const terms = this.#sql.table("busbar_webhook_terms");
    const paths = await distinctValues(this.#own, terms, "path", MOST_PATHS);
    if (paths.length > MOST_PATHS) return undefined;
    return paths.filter((path) => path !== "error" && path !== "response");
  }
}

/** The different values of a column that an index begins with: a look at the index for each. */
export async function distinctValues(
  own: SqlExecutor,
  table: string,
  column: string,
  most: number,
): Promise<readonly string[]> {
  const rows = await own.execute(
    `WITH RECURSIVE found (value) AS (
      SELECT min(${column}) FROM ${table}
      UNION ALL
      SELECT (SELECT min(${column}) FROM ${table} WHERE ${column} > found.value)
      FROM found WHERE found.value IS NOT NULL
    ) SELECT value FROM found WHERE value IS NOT NULL LIMIT ${most + 1}`,
  );
  return rows.map((row) => String(row["value"]));
}

/** What is asked of terms, in parts that an index answers one by one: with OR it would not. */
function indexedParts(test: LeafTest): readonly ((statement: Statement) => string)[] {
  if (test.type !== "text") return [(statement) => termCondition(test, statement)];
  // Of several words the longest: it is the rarest, most often.
  const longest = test.words.toSorted((a, b) => b.length - a.length).slice(0, 1);
  const { number } = test;
  const parts = [
    (statement: Statement) => statement.among("t.term", [test.whole, ...longest], "text"),
  ];
  if (number !== null) {
    const span = { min: number, minInclusive: true, max: number, maxInclusive: true };
    parts.push((statement) => termCondition({ type: "span", span }, statement));
  }
  return parts;
}

function columnWays(
  column: (Way & { type: "column" })["column"],
  values: readonly (string | number)[],
): readonly Way[] | undefined {
  if (values.length > MOST_VALUES) return undefined;
  return values.map((value) => ({ type: "column", column, value }));
}

/** What is cheaper is tried first: nothing, few documents, and then what a column has. */
function costOf(ways: readonly Way[]): number {
  let cost = 0;
  for (const way of ways) cost += way.type === "documents" ? way.documents.length : 10_000;
  return cost;
}
