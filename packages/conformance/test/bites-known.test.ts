import { testBites } from "./support/expect-bite.ts";
import { HASTY } from "./support/faulty.ts";
import { type KnownMistake, knownGroupsHarness } from "./support/known-groups.ts";
import type { Mutant } from "./support/mutants.ts";

function mutant(mistake: KnownMistake, ...caughtBy: readonly string[]): Mutant {
  const harness = async () => ({ ...(await knownGroupsHarness(mistake)), timing: HASTY });
  return { mistake, caughtBy, harness };
}

const mutants: readonly Mutant[] = [
  mutant("releases what it has staged, whatever the group holds", "groups/known-changed"),
  mutant("releases a group by the number of its events", "groups/known-changed"),
  mutant("releases what another has claimed", "groups/known-changed"),
  mutant("does not forget what it has released", "groups/known"),
  mutant("stages again what a release has published", "groups/known-unstaged"),
  mutant("releases again what was staged meanwhile", "groups/known-unstaged"),
  mutant("stages events without the number of their causes", "bus-groups/causation-depth"),
];

testBites(mutants, async (timing) => ({ ...(await knownGroupsHarness()), timing }));
