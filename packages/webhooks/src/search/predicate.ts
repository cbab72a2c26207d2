import type { JsonValue } from "@busbar/core/provider";
import {
  type Condition,
  isBetween,
  isWithin,
  type LeafTest,
  type MemberTest,
} from "./condition.ts";
import type { SearchRecord } from "./record.ts";
import { hiddenBy } from "./redaction.ts";
import { folded, hasRow, type Leaf, leavesOf, patternTest, textLeaf } from "./text.ts";

/** Whether a record matches a query. */
export type Predicate = (record: SearchRecord) => boolean;

/** A record whose payload is taken apart at most once. */
interface Subject {
  readonly record: SearchRecord;
  leaves: readonly Leaf[] | undefined;
}

type Test = (subject: Subject) => boolean;

/** Compiles a query to a function. */
export function compilePredicate(condition: Condition): Predicate {
  const test = compile(condition);
  return (record) => test({ record, leaves: undefined });
}

function compile(condition: Condition): Test {
  switch (condition.type) {
    case "all":
      return () => true;
    case "bool":
      return compileBool(condition);
    case "member": {
      const { member } = condition;
      const fits = memberTest(condition.test);
      return ({ record }) => fits(record[member]);
    }
    case "text": {
      const { member } = condition;
      const fits = leafTest(condition.test);
      return ({ record }) => {
        const text = record[member];
        return text !== null && fits(textLeaf("", text));
      };
    }
    case "payload":
      return compilePayload(condition);
  }
}

function compileBool(condition: Condition & { type: "bool" }): Test {
  const [must, should, mustNot] = [condition.must, condition.should, condition.mustNot].map(
    (each) => each.map(compile),
  ) as [Test[], Test[], Test[]];
  const isOneNeeded = must.length === 0 && should.length > 0;
  return (subject) =>
    must.every((test) => test(subject)) &&
    (!isOneNeeded || should.some((test) => test(subject))) &&
    !mustNot.some((test) => test(subject));
}

function compilePayload({ paths, test }: Condition & { type: "payload" }): Test {
  const fits = leafTest(test);
  const isHere = pathTest(paths, test.type === "exists");
  return (subject) => {
    const { payload } = subject.record;
    if (payload === undefined) return false;
    subject.leaves ??= visibleLeaves(payload, subject.record.redact);
    return subject.leaves.some((leaf) => isHere(leaf.path) && fits(leaf));
  };
}

function visibleLeaves(payload: JsonValue, redact: readonly string[]): readonly Leaf[] {
  const leaves = leavesOf(payload);
  if (redact.length === 0) return leaves;
  const isHidden = hiddenBy(redact);
  return leaves.filter(({ path }) => !isHidden(path));
}

function pathTest(
  paths: readonly string[] | null,
  isPrefixEnough: boolean,
): (path: string) => boolean {
  if (paths === null) return () => true;
  if (!isPrefixEnough) return (path) => paths.includes(path);
  return (path) => paths.some((each) => path === each || path.startsWith(`${each}.`));
}

/** Returns the function that compares a member of a record. */
export function memberTest(test: MemberTest): (value: string | number | boolean | null) => boolean {
  switch (test.type) {
    case "values":
      return (value) => value !== null && test.values.includes(value);
    case "name":
      return (value) => typeof value === "string" && folded(value) === test.name;
    case "pattern": {
      const fits = patternTest(test.parts);
      return (value) => typeof value === "string" && fits(test.ignoresCase ? folded(value) : value);
    }
    case "span":
      return (value) => typeof value === "number" && isWithin(value, test.span);
    case "exists":
      return (value) => value !== null;
  }
}

function leafTest(test: LeafTest): (leaf: Leaf) => boolean {
  switch (test.type) {
    case "text":
      return ({ whole, words, number }) =>
        whole === test.whole ||
        hasRow(words, test.words) ||
        (test.number !== null && number === test.number);
    case "pattern": {
      const fits = patternTest(test.parts);
      return ({ whole, words }) => fits(whole) || words.some(fits);
    }
    case "span":
      return ({ number }) => number !== null && isWithin(number, test.span);
    case "terms":
      return ({ whole, words }) =>
        isBetween(whole, test) || words.some((word) => isBetween(word, test));
    case "exists":
      return () => true;
  }
}
