import type { ProviderHarness } from "../../src/harness.ts";

/** A provider with a mistake, and the cases that are meant to find it. */
export interface Mutant {
  /** What it does, as in "a provider that …". */
  readonly mistake: string;
  readonly caughtBy: readonly string[];
  readonly harness: () => MutantHarness | Promise<MutantHarness>;
  /** The same without the mistake, where the usual provider differs from it in more than that. */
  readonly without?: () => ProviderHarness;
}

/** A harness that may have to be closed. */
export type MutantHarness = ProviderHarness & { readonly close?: () => Promise<void> };
