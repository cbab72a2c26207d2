import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ProviderCapabilities } from "@busbar/core/provider";
import type { ConformanceCase } from "./conformance-case.ts";
import type { Subject } from "./requirements.ts";

/** Grows when a case is added, removed or asks for more. */
const SUITE_VERSION = 10;

/** What became of a case. */
export type CaseOutcome =
  | {
      readonly status: "passed" | "failed";
      /** What a reader has to know of it. Absent for most. */
      readonly note?: string | undefined;
    }
  | {
      readonly status: "skipped";
      /** Why it is not for this provider. */
      readonly reason: string;
    };

/** What a provider was seen to do: deterministic, so that it can be committed. */
export interface Scorecard {
  /** The suite that made the scorecard, and its version. */
  readonly suite: { readonly name: "@busbar/conformance"; readonly version: number };
  /** The name of the provider. */
  readonly provider: string;
  /** What the provider says that it can do. */
  readonly capabilities: ProviderCapabilities;
  /** The optional parts that the provider has. */
  readonly parts: readonly string[];
  /** How many cases ended in which way. */
  readonly counts: Readonly<Record<CaseOutcome["status"], number>>;
  /** The outcomes of all cases, by group. */
  readonly groups: readonly ScorecardGroup[];
}

/** The cases of one group. */
export interface ScorecardGroup {
  /** The part of the contract. */
  readonly group: string;
  /** How many cases of the group ended in which way. */
  readonly counts: Readonly<Record<CaseOutcome["status"], number>>;
  /** The outcome of each case. */
  readonly cases: readonly (CaseOutcome & { readonly id: string; readonly name: string })[];
}

/** Makes the scorecard of a run. Every case needs an outcome. */
export function createScorecard(
  subject: Subject,
  cases: readonly ConformanceCase[],
  outcomes: ReadonlyMap<string, CaseOutcome>,
): Scorecard {
  const entries = cases.map(({ id, group, name }) => {
    const outcome = outcomes.get(id);
    if (!outcome) {
      throw new TypeError(`Case ${id} did not run: a scorecard needs a run of the whole suite`);
    }
    return { group, entry: { id, name, ...outcome } };
  });
  const groups = [...new Set(cases.map(({ group }) => group))];
  return {
    suite: { name: "@busbar/conformance", version: SUITE_VERSION },
    provider: subject.name,
    capabilities: subject.capabilities,
    parts: subject.parts,
    counts: count(entries.map(({ entry }) => entry)),
    groups: groups.map((group) => {
      const members = entries.filter((it) => it.group === group).map(({ entry }) => entry);
      return {
        group,
        counts: count(members),
        cases: members,
      };
    }),
  };
}

/** Writes a scorecard. */
export function writeScorecard(file: URL | string, scorecard: Scorecard): void {
  writeFileSync(pathOf(file), textOf(scorecard));
}

/**
 * Compares a scorecard with the committed scorecard.
 *
 * @throws Error when they differ, or when there is none.
 */
export function checkScorecard(file: URL | string, scorecard: Scorecard): void {
  const path = pathOf(file);
  const committed = read(path);
  if (committed !== undefined && textOf(JSON.parse(committed) as Scorecard) === textOf(scorecard)) {
    return;
  }
  throw new Error(
    `${path} ${committed === undefined ? "is missing" : "is not what the run has shown"}: run the suite without CI, and commit it`,
  );
}

function count(outcomes: readonly CaseOutcome[]): ScorecardGroup["counts"] {
  const withStatus = (status: string): number =>
    outcomes.filter((outcome) => outcome.status === status).length;
  return {
    passed: withStatus("passed"),
    failed: withStatus("failed"),
    skipped: withStatus("skipped"),
  };
}

/** As a formatter would have it: short lists of strings take one line. */
function textOf(scorecard: Scorecard): string {
  const text = JSON.stringify(scorecard, null, 2);
  const oneLine = text.replaceAll(
    /\[\n\s+("[^"\n]*"(?:,\n\s+"[^"\n]*")*)\n\s+\]/g,
    (_, members) => {
      return `[${String(members).replaceAll(/\n\s+/g, " ")}]`;
    },
  );
  return `${oneLine}\n`;
}

function pathOf(file: URL | string): string {
  return typeof file === "string" ? file : fileURLToPath(file);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
