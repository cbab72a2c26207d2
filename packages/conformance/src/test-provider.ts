import { limitOf, runCase } from "./case-runner.ts";
import type { ConformanceCase } from "./conformance-case.ts";
import type { ProviderHarness } from "./harness.ts";
import { type Subject, subjectOf } from "./requirements.ts";
import { type CaseOutcome, checkScorecard, createScorecard, writeScorecard } from "./scorecard.ts";
import { providerCases } from "./suite.ts";

/** `test` of vitest or of `node:test`. */
export type TestFunction = (
  name: string,
  options: { readonly skip?: boolean; readonly timeout?: number },
  run: () => Promise<void>,
) => unknown;

/** Options of {@link testProvider}. */
export interface TestProviderOptions {
  /**
   * The file for the scorecard, `conformance.json` beside the provider's `package.json`. None is
   * written by default.
   */
  readonly scorecard?: URL | string | undefined;
  /**
   * `write` puts the scorecard in its file, `check` fails if the file says something else.
   *
   * @default "check" where the environment has `CI`, "write" elsewhere
   */
  readonly scorecardMode?: "write" | "check" | undefined;
}

/**
 * Registers every conformance case as a test.
 *
 * @example
 * ```ts
 * import { testProvider } from "@busbar/conformance";
 * import { test } from "vitest";
 * await testProvider(test, { create: () => localProvider() });
 * ```
 *
 * @throws TypeError when the provider is durable and the harness cannot break it.
 */
export async function testProvider(
  test: TestFunction,
  harness: ProviderHarness,
  options: TestProviderOptions = {},
): Promise<void> {
  const subject = await inspect(harness);
  const outcomes = new Map<string, CaseOutcome>();
  for (const it of providerCases) register(test, it, subject, outcomes);

  const { scorecard: file } = options;
  if (file === undefined) return;
  const { scorecardMode = process.env["CI"] ? "check" : "write" } = options;
  test("scorecard: the committed scorecard is what this run has shown", {}, async () => {
    const scorecard = createScorecard(subject, providerCases, outcomes);
    if (scorecardMode === "check") checkScorecard(file, scorecard);
    else writeScorecard(file, scorecard);
  });
}

/**
 * Looks at the provider before any case does.
 *
 * @throws TypeError when the provider is durable and the harness cannot break it.
 */
export async function inspect(harness: ProviderHarness): Promise<Subject> {
  const provider = await harness.create({ namespace: "conformance" });
  const subject = subjectOf(provider, harness);
  await provider.stop({ graceMs: 0 });
  await harness.cleanup?.({ namespace: "conformance" });
  assertFaults(subject);
  return subject;
}

function register(
  test: TestFunction,
  it: ConformanceCase,
  subject: Subject,
  outcomes: Map<string, CaseOutcome>,
): void {
  const reason = it.when?.(subject);
  if (reason !== undefined) outcomes.set(it.id, { status: "skipped", reason });
  const name = `${it.group}: ${it.name}`;
  test(name, { skip: reason !== undefined, timeout: limitOf(it, subject) }, async () => {
    try {
      await runCase(it, subject);
      outcomes.set(it.id, { status: "passed" });
    } catch (error) {
      outcomes.set(it.id, { status: "failed" });
      if (error instanceof Error) error.message = `[${it.id}] ${error.message} (${it.promise})`;
      throw error;
    }
  });
}

function assertFaults({ name, capabilities, harness }: Subject): void {
  const { faults } = harness;
  if (!capabilities.durable) return;
  if (!faults) {
    throw new TypeError(
      `Provider "${name}" says that it is durable, so its harness needs faults: { connection, module, … } to kill processes and restart the broker`,
    );
  }
  const needed = faults.connection
    ? (["restart", "cut", "halfOpen", "heal"] as const)
    : ([] as const);
  const missing = needed.filter((hook) => typeof (faults as never)[hook] !== "function");
  if (!(faults.module instanceof URL)) missing.push("module" as never);
  if (missing.length > 0) {
    throw new TypeError(
      `Provider "${name}" says that it is durable, and its harness lacks faults.${missing.join(", faults.")}`,
    );
  }
}
