import { AssertionError } from "node:assert";
import { type BackgroundWatch, watchBackground } from "./background.ts";
import { limitOf, runCaseBeside } from "./case-runner.ts";
import type { ConformanceCase } from "./conformance-case.ts";
import { readLoad } from "./fault-load.ts";
import type { Subject } from "./requirements.ts";
import type { TestFunction } from "./test-function.ts";
import { Turns } from "./turns.ts";

/** What became of a case in one of the copies. */
interface Failure {
  readonly copy: number;
  readonly id: string;
  readonly error: unknown;
}

/** What a run of many copies has shown. */
export interface StressResult {
  readonly passed: number;
  readonly failures: readonly Failure[];
}

/** The longest that a timer can wait, and so the longest limit of a runner. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Registers one test that runs all these cases so many times at once.
 *
 * @throws TypeError when copies is not a whole number from 1.
 */
export function registerStress(
  test: TestFunction,
  cases: readonly ConformanceCase[],
  subject: Subject,
  copies: number,
): void {
  if (!Number.isInteger(copies) || copies < 1) {
    throw new TypeError(`copies must be a whole number from 1, not ${copies}`);
  }
  const crowded = crowdedSubject(subject, copies);
  const limitMs = copies * cases.reduce((sum, it) => sum + limitOf(it, crowded), 0);
  const timeout = Math.min(limitMs, LONGEST_MS);
  test(`stress: the whole suite, ${copies} times at once`, { timeout }, async () => {
    const { passed, failures } = await runCopies(cases, crowded, copies);
    subject.report(`stress: ${copies} times at once: ${passed} passed, ${failures.length} failed`);
    if (failures.length > 0) throw new AssertionError({ message: describe(failures) });
  });
}

/** Runs all cases that are for the provider so many times at once. */
export async function runCopies(
  cases: readonly ConformanceCase[],
  subject: Subject,
  copies: number,
): Promise<StressResult> {
  const own = cases.filter((it) => it.when?.(subject) === undefined);
  const turns = new Turns();
  const background = watchBackground();
  const failures: Failure[] = [];
  let passed = 0;
  const runCopy = async (copy: number): Promise<void> => {
    // Each begins elsewhere, so that different cases meet.
    const from = Math.floor((copy * own.length) / copies);
    for (const it of [...own.slice(from), ...own.slice(0, from)]) {
      try {
        await turns.run(it.alone ?? false, async () => {
          await runCaseBeside(it, subject);
        });
        passed++;
      } catch (error) {
        failures.push({ copy: copy + 1, id: it.id, error });
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: copies }, (_, copy) => runCopy(copy)));
    addBackground(background, failures);
  } finally {
    background.end();
  }
  return { passed, failures };
}

/** Copies share the machine, so each gets as much more time; what takes its time was done before. */
function crowdedSubject(subject: Subject, copies: number): Subject {
  const { harness } = subject;
  const { patience = 1, quietMs } = harness.timing ?? {};
  return {
    ...subject,
    harness: { ...harness, timing: { patience: patience * copies, quietMs } },
    load: readLoad(harness.load, "quick"),
    report: () => {},
  };
}

function addBackground(background: BackgroundWatch, failures: Failure[]): void {
  try {
    background.assertQuiet();
  } catch (error) {
    failures.push({ copy: 0, id: "background", error });
  }
}

function describe(failures: readonly Failure[]): string {
  const lines = failures.map(({ copy, id, error }) => {
    const message = error instanceof Error ? error.message : String(error);
    return `- ${id}${copy > 0 ? ` in copy ${copy}` : ""}: ${message}`;
  });
  return [`${failures.length} failed:`, ...lines].join("\n");
}
