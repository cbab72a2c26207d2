import { CaseContext } from "./case-context.ts";
import { watchBackground } from "./background.ts";
import type { ConformanceCase } from "./conformance-case.ts";
import type { Subject } from "./requirements.ts";
import { withLimit } from "./waiting.ts";

const LIMIT_MS = 10_000;
const CLEANUP_LIMIT_MS = 10_000;

/** Milliseconds that a case may take, its end included. */
export function limitOf(it: ConformanceCase, subject: Subject): number {
  return caseLimit(it, subject) + cleanupLimit(subject) + 1_000;
}

/** Runs a case on a namespace of its own, and ends all that it made, whatever becomes of it. */
export async function runCase(it: ConformanceCase, subject: Subject): Promise<void> {
  const context = new CaseContext(subject);
  const background = watchBackground();
  try {
    try {
      await withLimit(
        Promise.race([it.run(context), background.failed]),
        caseLimit(it, subject),
        () => `It waited in vain for ${context.waiting.describe()}`,
      );
    } finally {
      await withLimit(
        context.end(),
        cleanupLimit(subject),
        () => "What the case had made could not be stopped",
      );
      await subject.harness.cleanup?.({ namespace: context.namespace });
    }
    background.assertQuiet();
  } finally {
    background.end();
  }
}

function caseLimit(it: ConformanceCase, { capabilities, harness }: Subject): number {
  return (it.limitMs?.(capabilities) ?? LIMIT_MS) * (harness.timing?.patience ?? 1);
}

function cleanupLimit({ harness }: Subject): number {
  return CLEANUP_LIMIT_MS * (harness.timing?.patience ?? 1);
}
