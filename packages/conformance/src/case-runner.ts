import { CaseContext } from "./case-context.ts";
import { watchBackground } from "./background.ts";
import type { ConformanceCase } from "./conformance-case.ts";
import type { Subject } from "./requirements.ts";
import { runEach } from "./run-each.ts";
import { withLimit } from "./waiting.ts";

const LIMIT_MS = 10_000;
const CLEANUP_LIMIT_MS = 10_000;
/** How often a case waits for numbers that lag behind, at most. */
const LOOKS_AT_MOST = 20;

/** Milliseconds that a case may take, its end included. */
export function limitOf(it: ConformanceCase, subject: Subject): number {
  return caseLimit(it, subject) + 2 * cleanupLimit(subject) + 1_000;
}

/** What a case that has passed says. */
export interface CaseResult {
  /** Whether numbers of queues were compared loosely. */
  readonly loosely: boolean;
}

/** Runs a case on a namespace of its own, and ends all that it made, whatever becomes of it. */
export async function runCase(it: ConformanceCase, subject: Subject): Promise<CaseResult> {
  const background = watchBackground();
  try {
    const result = await runCaseBeside(it, subject, background.failed);
    background.assertQuiet();
    return result;
  } finally {
    background.end();
  }
}

/**
 * The same where others may run meanwhile, and what is thrown in the background is not known to be
 * its own.
 *
 * @param failed - Ends the case when it rejects.
 */
export async function runCaseBeside(
  it: ConformanceCase,
  subject: Subject,
  failed?: Promise<never>,
): Promise<CaseResult> {
  const context = new CaseContext(subject, it.id);
  const run = async (): Promise<void> => {
    const ran = it.run(context);
    await withLimit(
      failed ? Promise.race([ran, failed]) : ran,
      caseLimit(it, subject),
      () => `It waited in vain for ${context.waiting.describe()}`,
    );
  };
  const cleanUp = async (): Promise<void> => {
    await subject.harness.cleanup?.({ namespace: context.namespace });
  };
  const limitMs = cleanupLimit(subject);
  await runEach([
    run,
    () => context.end(limitMs),
    () => withLimit(cleanUp(), limitMs, () => "The harness could not clean up"),
  ]);
  // The log of the end is also checked.
  context.secrets.assertNone();
  return { loosely: context.numbers.wereLoose };
}

function caseLimit(it: ConformanceCase, { capabilities, harness, load }: Subject): number {
  const limitMs = it.limitMs?.(capabilities, load) ?? LIMIT_MS;
  const { statsLagMs = 0 } = capabilities;
  return limitMs * (harness.timing?.patience ?? 1) + LOOKS_AT_MOST * statsLagMs;
}

function cleanupLimit({ harness }: Subject): number {
  return CLEANUP_LIMIT_MS * (harness.timing?.patience ?? 1);
}
