import type { ConformanceCase } from "../../src/conformance-case.ts";

/** A case that does what the test says. */
export function caseOf(
  run: ConformanceCase["run"],
  members: Partial<ConformanceCase> = {},
): ConformanceCase {
  return { id: "own/case", group: "own", name: "a case", promise: "none", run, ...members };
}
