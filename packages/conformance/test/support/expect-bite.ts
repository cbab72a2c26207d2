import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { runCase } from "../../src/case-runner.ts";
import type { ProviderHarness } from "../../src/harness.ts";
import { providerCases } from "../../src/suite.ts";
import { inspect } from "../../src/test-provider.ts";
import type { Mutant, MutantHarness } from "./mutants.ts";

/**
 * Tests that each mistake is found by the cases that are meant to find it, and that a provider
 * without one passes them: what fails for its short limits alone finds nothing.
 */
export function testBites(
  mutants: readonly Mutant[],
  flawless: (timing: ProviderHarness["timing"]) => MutantHarness | Promise<MutantHarness>,
): void {
  describe.each(mutants)("a provider that $mistake", ({ caughtBy, harness, without }) => {
    test.each(caughtBy)("is caught by %s", { timeout: 60_000 }, async (id) => {
      const made = await harness();
      try {
        await assert.rejects(run(id, made), Error);
      } finally {
        await made.close?.();
      }
    });

    // The limits are so short that a busy machine may need more than one go.
    test.each(caughtBy)("would pass %s without that", { timeout: 60_000, retry: 4 }, async (id) => {
      const mutant = await harness();
      await mutant.close?.();
      const made: MutantHarness = without?.() ?? (await flawless(mutant.timing));
      try {
        await run(id, made);
      } finally {
        await made.close?.();
      }
    });
  });
}

async function run(id: string, harness: MutantHarness): Promise<void> {
  const it = providerCases.find((candidate) => candidate.id === id);
  assert.ok(it, `there is a case ${id}`);
  const subject = await inspect(harness);
  assert.equal(it.when?.(subject), undefined, "the case is for this provider");
  await runCase(it, subject);
}
