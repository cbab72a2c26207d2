import { assertOptions, type Checks, checks, optionsWithin } from "@busbar/core/provider";
import { limitOf, runCase } from "./case-runner.ts";
import type { ConformanceCase } from "./conformance-case.ts";
import type { ConformanceTiming, ProviderHarness } from "./harness.ts";
import { type ConformanceMode, modeOfEnvironment } from "./mode.ts";
import { type Subject, type SubjectOptions, subjectOf } from "./requirements.ts";
import { type CaseOutcome, checkScorecard, createScorecard, writeScorecard } from "./scorecard.ts";
import { registerStress } from "./stress.ts";
import { providerCases } from "./suite.ts";
import type { TestFunction } from "./test-function.ts";

const LOOSELY = "numbers of queues were compared loosely: they lag behind";

/** Options of {@link testProvider}. */
export interface TestProviderOptions {
  /**
   * The file for the scorecard, `conformance.json` next to the provider's `package.json`. None is
   * written by default.
   */
  readonly scorecard?: URL | string | undefined;
  /**
   * `write` puts the scorecard in its file, `check` fails if the file says something else.
   *
   * @default "check" where the environment has `CI`, "write" elsewhere
   */
  readonly scorecardMode?: "write" | "check" | undefined;
  /**
   * `quick` is for every run of the tests. `stress` has the full load for the fault cases, and one
   * test more, which runs the whole suite many times at once.
   *
   * @default the environment's `BUSBAR_CONFORMANCE`, or "quick"
   */
  readonly mode?: ConformanceMode | undefined;
  /**
   * How often the whole suite runs at once under stress, each time in namespaces of its own.
   *
   * @default 10
   */
  readonly copies?: number | undefined;
  /**
   * Takes what cases have found, a line each, such as how many events were lost and how many repeated.
   *
   * @default writes to standard output
   */
  readonly report?: ((line: string) => void) | undefined;
}

const HARNESS: Checks<ProviderHarness> = {
  create: checks.function,
  adjusts: checks.texts,
  faults: checks.object,
  module: isFile,
  refusesAboveBytes: checks.wholeFrom(1),
  beginTransaction: checks.function,
  load: checks.object,
  cleanup: checks.function,
  timing: optionsWithin<ConformanceTiming>({
    patience: checks.positive,
    quietMs: checks.positive,
  }),
};

const OPTIONS: Checks<TestProviderOptions> = {
  scorecard: (value) => (typeof value === "string" ? undefined : isFile(value)),
  scorecardMode: checks.oneOf("write", "check"),
  mode: checks.oneOf("quick", "stress"),
  copies: checks.wholeFrom(1),
  report: checks.function,
};

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
 * @throws TypeError when the provider is durable and the harness cannot break it, or when an option is
 *   not what it can be.
 */
export async function testProvider(
  test: TestFunction,
  harness: ProviderHarness,
  options: TestProviderOptions = {},
): Promise<void> {
  assertTest("testProvider()", test);
  assertOptions("testProvider()", harness, HARNESS, {
    create: "such as ({ namespace }) => natsProvider({ prefix: namespace })",
  });
  assertOptions("testProvider()", options, OPTIONS);
  const { mode = modeOfEnvironment(), copies = 10, report = writeLine } = options;
  const subject = await inspect(harness, { mode, report });
  const outcomes = new Map<string, CaseOutcome>();
  for (const it of providerCases) register(test, it, subject, outcomes);
  if (mode === "stress") registerStress(test, providerCases, subject, copies);

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
export async function inspect(
  harness: ProviderHarness,
  options?: SubjectOptions,
): Promise<Subject> {
  const provider = await harness.create({ namespace: "conformance" });
  const subject = subjectOf(provider, harness, options);
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
      const { loosely } = await runCase(it, subject);
      outcomes.set(it.id, { status: "passed", ...(loosely && { note: LOOSELY }) });
    } catch (error) {
      outcomes.set(it.id, { status: "failed" });
      if (error instanceof Error) error.message = `[${it.id}] ${error.message} (${it.promise})`;
      throw error;
    }
  });
}

/** @throws TypeError when the first argument is not the function that registers a test. */
export function assertTest(call: string, test: TestFunction): void {
  if (typeof test === "function") return;
  throw new TypeError(`${call} needs the function that registers a test, such as vitest's test`);
}

function isFile(value: unknown): string | undefined {
  return value instanceof URL
    ? undefined
    : 'must be a URL, such as new URL("x.ts", import.meta.url)';
}

function writeLine(line: string): void {
  process.stdout.write(`${line}\n`);
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
