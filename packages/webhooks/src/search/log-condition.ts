import type { Condition, LeafTest, MemberTest, Span } from "./condition.ts";
import { payloadPath } from "./documents.ts";
import { ERROR_CLASSES } from "../contract/notifier.ts";
import { STATES } from "./fields.ts";
import { type LogSource, PAYLOAD_DOCUMENT, TEXT_DOCUMENT, UNINDEXED } from "./log-source.ts";
import { memberTest } from "./predicate.ts";
import type { PatternPart } from "./query.ts";
import type { Statement } from "./statement.ts";

/** What the conditions of a search stand on, besides the query. */
export interface LogFacts {
  readonly source: LogSource;
  /** Whether there is an index. */
  readonly hasIndex: boolean;
  /** Whether there are rows that the index does not have yet. */
  readonly hasUnindexed: boolean;
  /** The names of events that the log has. */
  readonly eventNames: readonly string[];
  /** The subscriptions, if the query asks for a destination or a notifier. */
  readonly subscriptions: readonly {
    readonly id: string;
    readonly destination: string;
    readonly notifier: string;
  }[];
  /** The subscriptions that hide values of payloads from the log. */
  readonly redacting: readonly string[];
}

/** A condition in SQL. */
export interface LogCondition {
  /** All that the query matches, and if it is not exact, more. */
  readonly sql: string;
  /** Whether it finds what the query matches and nothing else. */
  readonly isExact: boolean;
}

/** Writes a query as a condition of SQL. */
export function logCondition(
  condition: Condition,
  facts: LogFacts,
  statement: Statement,
): LogCondition {
  const writer = new ConditionWriter(facts, statement);
  const sql = writer.write(condition, true);
  return { sql, isExact: writer.isExact };
}

/** Returns those of a known set of names that a test accepts. */
export function namesThatFit(test: MemberTest, names: readonly string[]): readonly string[] {
  return names.filter(memberTest(test));
}

class ConditionWriter {
  readonly #facts: LogFacts;
  readonly #statement: Statement;
  isExact = true;

  constructor(facts: LogFacts, statement: Statement) {
    this.#facts = facts;
    this.#statement = statement;
  }

  /**
   * Writes a condition.
   *
   * @param widens What to do where SQL cannot say it exactly: match more than the query does, or less. A condition that
   *   is negated has to match less for the whole to match more.
   */
  write(condition: Condition, widens: boolean): string {
    switch (condition.type) {
      case "all":
        return "TRUE";
      case "bool":
        return this.#bool(condition, widens);
      case "member":
        return this.#member(condition.member, condition.test);
      case "text": {
        const { member, test } = condition;
        return this.#leaf(TEXT_DOCUMENT, [member], test, widens);
      }
      case "payload": {
        const { paths, test } = condition;
        const { redacting, source } = this.#facts;
        const sql = this.#leaf(PAYLOAD_DOCUMENT, paths?.map(payloadPath) ?? null, test, widens);
        if (redacting.length === 0) return sql;
        this.isExact = false;
        if (widens) return sql;
        const hides = this.#statement.among(source.members.subscriptionId, redacting, "text");
        return `(${sql} AND (${hides}) IS NOT TRUE)`;
      }
    }
  }

  #bool({ must, should, mustNot }: Condition & { type: "bool" }, widens: boolean): string {
    const parts = [
      ...must.map((each) => this.write(each, widens)),
      // Null is no match, and so it is none that may not be.
      ...mustNot.map((each) => `(${this.write(each, !widens)}) IS NOT TRUE`),
    ];
    if (must.length === 0 && should.length > 0) {
      parts.push(`(${should.map((each) => this.write(each, widens)).join(" OR ")})`);
    }
    return parts.length === 0 ? "TRUE" : `(${parts.join(" AND ")})`;
  }

  #member(member: keyof LogSource["members"], test: MemberTest): string {
    const { members } = this.#facts.source;
    const column = members[member];
    if (test.type === "exists") return `${column} IS NOT NULL`;
    if (test.type === "span") return this.#span(column, test.span);
    const known = this.#known(member);
    if (known !== undefined) {
      const [target, names] = known;
      return this.#statement.among(target, names(test), "text");
    }
    if (test.type === "pattern") return this.#statement.pattern(column, test.parts);
    if (test.type === "name") return `${column} = ${this.#statement.value(test.name)}`;
    const values = test.values.map((value) => (typeof value === "boolean" ? Number(value) : value));
    const [only] = values;
    if (values.length === 1 && typeof only === "number") {
      // Within the text of the statement: an index that has a condition is found by it.
      return `${column} = ${this.#statement.number(only)}`;
    }
    if (values.length === 1 && only !== undefined) {
      return `${column} = ${this.#statement.value(only)}`;
    }
    return this.#statement.among(column, values, typeof only === "string" ? "text" : "bigint");
  }

  /** For members with values of a known set: the column that has them, and which of them fit. */
  #known(
    member: keyof LogSource["members"],
  ): readonly [string, (test: MemberTest) => readonly string[]] | undefined {
    const { eventNames, subscriptions, source } = this.#facts;
    const { members } = source;
    switch (member) {
      case "eventName":
        return [members.eventName, (test) => namesThatFit(test, eventNames)];
      case "state":
        return [members.state, (test) => namesThatFit(test, STATES)];
      case "errorClass":
        return [members.errorClass, (test) => namesThatFit(test, ERROR_CLASSES)];
      case "destination":
      case "notifier":
        return [
          members.subscriptionId,
          (test) => {
            const fits = memberTest(test);
            return subscriptions.filter((each) => fits(each[member])).map(({ id }) => id);
          },
        ];
      default:
        return undefined;
    }
  }

  #span(column: string, { min, max, minInclusive, maxInclusive }: Span): string {
    const parts = [];
    if (min !== null)
      parts.push(`${column} ${minInclusive ? ">=" : ">"} ${this.#statement.number(min)}`);
    if (max !== null)
      parts.push(`${column} ${maxInclusive ? "<=" : "<"} ${this.#statement.number(max)}`);
    return parts.length === 0 ? `${column} IS NOT NULL` : `(${parts.join(" AND ")})`;
  }

  /** That a document has a term at one of the paths, or at any path of its payload. */
  #leaf(
    document: string,
    paths: readonly string[] | null,
    test: LeafTest,
    widens: boolean,
  ): string {
    const { hasIndex, hasUnindexed } = this.#facts;
    if (!hasIndex || hasUnindexed) this.isExact = false;
    if (!hasIndex) return widens ? "TRUE" : "FALSE";
    const sql = this.#terms(document, paths, test, widens);
    return widens && hasUnindexed ? `(${sql} OR ${UNINDEXED})` : sql;
  }

  #terms(
    document: string,
    paths: readonly string[] | null,
    test: LeafTest,
    widens: boolean,
  ): string {
    const values = termCondition(test, this.#statement);
    const where = pathCondition(paths, test.type === "exists", this.#statement);
    const has = (term: string): string =>
      `EXISTS (SELECT 1 FROM ${this.#statement.sql.table("busbar_webhook_terms")} AS t
        WHERE t.document = ${document} AND ${where} AND ${term})`;
    if (test.type !== "text" || test.words.length < 2) return has(values);
    // The index does not know in what order words are: that is looked up in what is found.
    this.isExact = false;
    if (!widens) return has(values);
    const words = test.words.map((word) => has(`t.term = ${this.#statement.value(word)}`));
    return `(${has(values)} OR (${words.join(" AND ")}))`;
  }
}

/** The condition that a term fits a test. For several words: that it is all of them, or the number that they are. */
export function termCondition(test: LeafTest, statement: Statement): string {
  switch (test.type) {
    case "exists":
      return "TRUE";
    case "pattern":
      return patternCondition(test.parts, statement);
    case "span":
      return amountCondition(test.span, statement);
    case "terms": {
      const parts = [];
      if (test.lower) {
        const operator = test.lower.inclusive ? ">=" : ">";
        parts.push(`t.term ${operator} ${statement.value(test.lower.text)}`);
      }
      if (test.upper) {
        const operator = test.upper.inclusive ? "<=" : "<";
        parts.push(`t.term ${operator} ${statement.value(test.upper.text)}`);
      }
      return parts.join(" AND ");
    }
    case "text": {
      const words = test.words.length === 1 ? test.words : [];
      const same = [...new Set([test.whole, ...words])].map(
        (text) => `t.term = ${statement.value(text)}`,
      );
      if (test.number !== null) {
        same.push(`t.amount = CAST(${statement.value(test.number)} AS double precision)`);
      }
      return `(${same.join(" OR ")})`;
    }
  }
}

function patternCondition(parts: readonly PatternPart[], statement: Statement): string {
  const fits = statement.pattern("t.term", parts);
  const [first] = parts;
  return typeof first === "string" ? `${statement.prefix("t.term", first)} AND ${fits}` : fits;
}

function amountCondition(
  { min, max, minInclusive, maxInclusive }: Span,
  statement: Statement,
): string {
  const bound = (operator: string, value: number): string =>
    `t.amount ${operator} CAST(${statement.value(value)} AS double precision)`;
  const parts = ["t.amount IS NOT NULL"];
  if (min !== null) parts.push(bound(minInclusive ? ">=" : ">", min));
  if (max !== null) parts.push(bound(maxInclusive ? "<=" : "<", max));
  return parts.join(" AND ");
}

/** The condition that a term is at one of the paths, or beneath it. Null: anywhere in a payload. */
function pathCondition(
  paths: readonly string[] | null,
  orBeneath: boolean,
  statement: Statement,
): string {
  if (paths === null) return "t.path NOT IN ('error', 'response')";
  const parts = paths.flatMap((path) => {
    const same = `t.path = ${statement.value(path)}`;
    return orBeneath ? [same, `(${statement.prefix("t.path", `${path}.`)})`] : [same];
  });
  return `(${parts.join(" OR ")})`;
}
