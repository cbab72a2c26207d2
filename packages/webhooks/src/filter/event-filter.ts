import type { Issue } from "@busbar/core";
import { type JsonValue, nearestHint } from "@busbar/core/provider";
import type { WebhookEvent } from "../contract/webhook-event.ts";
import { EVENT_FIELDS } from "../search/fields.ts";
import { isLuceneError } from "../search/lucene-error.ts";
import { readQuery } from "../search/lucene-query.ts";
import { compilePredicate } from "../search/predicate.ts";
import { compareValues, isEqual, isOrdered, OPERATORS, valuesAt } from "./operators.ts";
import { isJsonObject } from "../contract/json-object.ts";

/** How deep a filter may be nested. */
const MAX_DEPTH = 20;
const TOO_DEEP = `must not be nested deeper than ${MAX_DEPTH}`;
/** How many conditions a filter may have. */
const MAX_CONDITIONS = 256;
/** Values that `$in` and `$nin` take at most. */
const MAX_VALUES = 1_000;

/** A filter that is ready to be asked. */
export interface EventFilter {
  /** Whether an event passes. Never throws. False for every event if the filter has issues. */
  matches(event: WebhookEvent): boolean;
  /** All that is wrong with the filter, each with its place such as `data.total.$gte`. */
  readonly issues: readonly Issue[];
}

/** Whether a value passes. Undefined: it is not there. */
type Test = (value: JsonValue | undefined) => boolean;

/** The members of an event that a filter may name. */
const MEMBERS = ["id", "name", "scope", "occurredAt", "data", "metadata"];

/**
 * Compiles the filter of a subscription. It asks for values at paths: `{ data: { total: { $gte: 100 } } }`, or
 * `{ "data.total": { $gte: 100 } }`. Everything that it names has to fit.
 *
 * @example
 * ```ts
 * const filter = compileFilter({ "data.status": { $in: ["paid", "shipped"] } });
 * filter.matches(event);
 * ```
 */
export function compileFilter(filter: JsonValue): EventFilter {
  if (isDeep(filter)) {
    return { matches: () => false, issues: [{ path: "", reason: TOO_DEEP }] };
  }
  const compiler = new FilterCompiler();
  const matches = compiler.root(filter);
  const { issues } = compiler;
  return issues.length > 0 ? { matches: () => false, issues } : { matches, issues };
}

class FilterCompiler {
  readonly issues: Issue[] = [];
  #conditions = 0;

  root(filter: JsonValue): (event: WebhookEvent) => boolean {
    const tests = this.#rootTests(filter, "", 0);
    return (event) => tests.every((test) => test(event));
  }

  /** Compiles what is about the event as a whole. */
  #rootTests(filter: JsonValue, at: string, depth: number): ((event: WebhookEvent) => boolean)[] {
    if (!isJsonObject(filter)) {
      this.#report(at, 'must be an object, such as { "data.total": { "$gte": 100 } }');
      return [];
    }
    if (!this.#count(at, depth)) return [];
    return Object.entries(filter).map(([name, value = null]) => {
      const path = join(at, name);
      switch (name) {
        case "$lucene":
          return this.#lucene(value, path);
        case "$and":
        case "$or": {
          const groups = this.#list(value, path).map((each, index) =>
            this.#rootTests(each, join(path, String(index)), depth + 1),
          );
          const every = (event: WebhookEvent) => (tests: ((event: WebhookEvent) => boolean)[]) =>
            tests.every((test) => test(event));
          return name === "$and"
            ? (event) => groups.every(every(event))
            : (event) => groups.some(every(event));
        }
        case "$not": {
          const tests = this.#rootTests(value, path, depth + 1);
          return (event) => !tests.every((test) => test(event));
        }
        default:
          return this.#member(name, value, path, depth);
      }
    });
  }

  #member(
    name: string,
    value: JsonValue,
    path: string,
    depth: number,
  ): (event: WebhookEvent) => boolean {
    const [member = ""] = name.split(".", 1);
    if (!MEMBERS.includes(member)) {
      const hint = name.startsWith("$")
        ? nearestHint(name, ["$and", "$or", "$not", "$lucene"]) ||
          ": an operator stands at the path of a value, such as data.total"
        : nearestHint(member, MEMBERS) || `: the payload's own are data.${name}`;
      this.#report(path, `is no member of an event${hint}`);
      return () => false;
    }
    const rest = name.slice(member.length + 1);
    const test = this.#condition(value, path, depth + 1);
    return (event) => {
      const subject = memberOf(event, member);
      return rest === "" ? test(subject) : test(valuesAt(subject, rest));
    };
  }

  /** Compiles what is asked of one value. Of a value that is an array, of any of its members. */
  #condition(condition: JsonValue, at: string, depth: number): Test {
    if (!this.#count(at, depth)) return () => false;
    if (Array.isArray(condition)) {
      const tests = this.#list(condition, at).map((each, index) =>
        this.#condition(each, join(at, String(index)), depth + 1),
      );
      return (value) => tests.every((test) => test(value));
    }
    if (!isJsonObject(condition)) return anyOf((value) => isEqual(value, condition));
    const entries = Object.entries(condition);
    if (entries.length === 0) this.#report(at, "must not be empty");
    const own = entries
      .filter(([name]) => name.startsWith("$"))
      .map(([name, operand = null]) => this.#operator(name, operand, join(at, name), depth));
    const members = entries
      .filter(([name]) => !name.startsWith("$"))
      .map(([name, operand = null]): Test => {
        const test = this.#condition(operand, join(at, name), depth + 1);
        return (value) => test(valuesAt(value, name));
      });
    if (members.length === 0) return (value) => own.every((test) => test(value));
    // One member of an array has to fit in all respects.
    const fits = (value: JsonValue | undefined): boolean => members.every((test) => test(value));
    const isAnyWhole = anyOf(fits);
    return (value) =>
      own.every((test) => test(value)) && (isNothing(value) ? fits(undefined) : isAnyWhole(value));
  }

  #operator(name: string, operand: JsonValue, at: string, depth: number): Test {
    switch (name) {
      case "$eq":
        return anyOf((value) => isEqual(value, operand), true);
      case "$neq": {
        const test = anyOf((value) => isEqual(value, operand), true);
        return (value) => !test(value);
      }
      case "$gt":
      case "$gte":
      case "$lt":
      case "$lte":
        if (typeof operand !== "number" && typeof operand !== "string") {
          this.#report(at, "must be a number or a text");
        }
        return anyOf((value) => isOrdered(name, compareValues(value, operand)));
      case "$in":
      case "$nin": {
        const test = this.#isIn(operand, at);
        return name === "$in" ? test : (value) => !test(value);
      }
      case "$startsWith":
      case "$endsWith": {
        if (typeof operand !== "string") this.#report(at, "must be a text");
        const text = typeof operand === "string" ? operand : "";
        return anyOf(
          (value) =>
            typeof value === "string" &&
            (name === "$startsWith" ? value.startsWith(text) : value.endsWith(text)),
        );
      }
      case "$exist":
        if (typeof operand !== "boolean") this.#report(at, "must be true or false");
        return (value) => (value !== undefined) === operand;
      case "$and":
      case "$or": {
        const tests = this.#list(operand, at).map((each, index) =>
          this.#condition(each, join(at, String(index)), depth + 1),
        );
        return name === "$and"
          ? (value) => tests.every((test) => test(value))
          : (value) => tests.some((test) => test(value));
      }
      case "$not": {
        const test = this.#condition(operand, at, depth + 1);
        return (value) => !test(value);
      }
      case "$regex":
        this.#report(
          at,
          "is not supported: an expression may take any time. Use $startsWith, $endsWith, $in or $lucene",
        );
        return () => false;
      default:
        this.#report(at, `is no operator${nearestHint(name, OPERATORS)}`);
        return () => false;
    }
  }

  #isIn(operand: JsonValue, at: string): Test {
    if (typeof operand === "string") {
      return anyOf((value) => typeof value === "string" && value.includes(operand));
    }
    const values = this.#list(operand, at, "must be an array, or a text that is looked for");
    return anyOf((value) => values.some((each) => isEqual(value, each)), true);
  }

  #lucene(query: JsonValue, at: string): (event: WebhookEvent) => boolean {
    if (typeof query !== "string") {
      this.#report(at, "must be a text, such as data.total:[100 TO *]");
      return () => false;
    }
    try {
      const fits = compilePredicate(readQuery(query, EVENT_FIELDS));
      return (event) => fits(recordOf(event));
    } catch (error) {
      if (!isLuceneError(error)) throw error;
      this.#report(at, `cannot be read: ${error.message}`);
      return () => false;
    }
  }

  #list(
    value: JsonValue,
    at: string,
    reason = "must be an array of conditions",
  ): readonly JsonValue[] {
    if (!Array.isArray(value)) this.#report(at, reason);
    else if (value.length === 0) this.#report(at, "must not be empty");
    else if (value.length > MAX_VALUES) this.#report(at, `must have at most ${MAX_VALUES} members`);
    else return value as readonly JsonValue[];
    return [];
  }

  /** Whether there may be one more condition at this depth. */
  #count(at: string, depth: number): boolean {
    this.#conditions += 1;
    if (this.#conditions === MAX_CONDITIONS + 1) {
      this.#report("", `must have at most ${MAX_CONDITIONS} conditions`);
    }
    if (depth > MAX_DEPTH) this.#report(at, TOO_DEEP);
    return this.#conditions <= MAX_CONDITIONS && depth <= MAX_DEPTH;
  }

  #report(path: string, reason: string): void {
    this.issues.push({ path, reason });
  }
}

/** Asks a value, and if it is an array each of its members. With `orItself`, the array as well. */
function anyOf(test: (value: JsonValue) => boolean, orItself = false): Test {
  const isAny = (value: JsonValue | undefined, depth: number): boolean => {
    if (value === undefined) return false;
    if (!Array.isArray(value)) return test(value);
    if (orItself && test(value)) return true;
    return depth > 0 && (value as readonly JsonValue[]).some((each) => isAny(each, depth - 1));
  };
  return (value) => isAny(value, MAX_DEPTH);
}

/** Whether there is nothing that a condition could be about. */
function isNothing(value: JsonValue | undefined): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

/** Whether a value is nested so deep that comparing it might exhaust the stack. Needs no stack itself. */
function isDeep(value: JsonValue): boolean {
  let level: readonly (JsonValue | undefined)[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > 2 * MAX_DEPTH) return true;
    level = level.flatMap((each) =>
      typeof each === "object" && each !== null ? (Object.values(each) as JsonValue[]) : [],
    );
  }
  return false;
}

function memberOf(event: WebhookEvent, member: string): JsonValue | undefined {
  switch (member) {
    case "id":
      return event.id;
    case "name":
      return event.name;
    case "scope":
      return event.scope;
    case "occurredAt":
      return event.occurredAt.toISOString();
    case "metadata":
      return event.metadata;
    default:
      return event.data;
  }
}

/** An event as a query is compared with it. */
function recordOf(event: WebhookEvent): Parameters<ReturnType<typeof compilePredicate>>[0] {
  return {
    logId: null,
    deliveryId: null,
    eventId: event.id,
    eventName: event.name,
    scope: event.scope,
    subscriptionId: null,
    destination: null,
    notifier: null,
    state: null,
    success: null,
    statusCode: null,
    errorClass: null,
    error: null,
    response: null,
    attempt: null,
    trigger: null,
    duration: null,
    created: event.occurredAt.getTime(),
    nextAttempt: null,
    payload: event.data,
    redact: [],
  };
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
