import { brokerHarness } from "./support/broker-harness.ts";
import { testBites } from "./support/expect-bite.ts";
import { durableMutants } from "./support/mutants-of-durability.ts";

testBites(durableMutants, async (timing) => ({ ...(await brokerHarness()), timing }));
