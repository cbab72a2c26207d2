import { CaseContext } from "./case-context.ts";
import { watchBackground } from "./background.ts";
import type { ConformanceCase } from "./conformance-case.ts";
import type { Subject } from "./requirements.ts";
import { runEach } from "./run-each.ts";
import { withLimit } from "./waiting.ts";

const LIMIT_MS = 10_000;
const CLEANUP_LIMIT_MS = 10_000;

/** Milliseconds that a case may take, its end included. */
export function limitOf(it: ConformanceCase, subject: Subject): number {
  return caseLimit(it, subject) + 2 * cleanupLimit(subject) + 1_000;
}

/** Runs a case on a namespace of its own, and ends all that it made, whatever becomes of it. */
export async function runCase(it: ConformanceCase, subject: Subject): Promise<void> {
  const background = watchBackground();
  try {
    await runCaseBeside(it, subject, background.failed);
    background.assertQuiet();
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
): Promise<void> {
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
  // What the end has logged is looked at, too.
  context.secrets.assertNone();
}

function caseLimit(it: ConformanceCase, { capabilities, harness, load }: Subject): number {
  return (it.limitMs?.(capabilities, load) ?? LIMIT_MS) * (harness.timing?.patience ?? 1);
}

function cleanupLimit({ harness }: Subject): number {
  return CLEANUP_LIMIT_MS * (harness.timing?.patience ?? 1);
}
