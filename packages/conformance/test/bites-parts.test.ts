import { testBites } from "./support/expect-bite.ts";
import { flawless } from "./support/faulty.ts";
import { addressingMutants } from "./support/mutants-of-addressing.ts";
import { lifecycleMutants } from "./support/mutants-of-lifecycle.ts";
import { partMutants } from "./support/mutants-of-parts.ts";
import { operationMutants } from "./support/mutants-of-operation.ts";
import { numberMutants } from "./support/mutants-of-numbers.ts";
import { atOnceMutants, declinedMutants } from "./support/mutants-of-shortcuts.ts";
import { scheduleMutants } from "./support/mutants-of-schedules.ts";
import { timingMutants } from "./support/mutants-of-timing.ts";
import { transactionMutants } from "./support/mutants-of-transactions.ts";

testBites(
  [
    ...timingMutants,
    ...lifecycleMutants,
    ...partMutants,
    ...operationMutants,
    ...scheduleMutants,
    ...transactionMutants,
    ...addressingMutants,
    ...atOnceMutants,
    ...declinedMutants,
    ...numberMutants,
  ],
  flawless,
);
