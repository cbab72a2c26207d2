import { testBites } from "./support/expect-bite.ts";
import { flawless } from "./support/faulty.ts";
import { deliveryMutants } from "./support/mutants-of-delivery.ts";
import { fidelityMutants } from "./support/mutants-of-fidelity.ts";

testBites([...deliveryMutants, ...fidelityMutants], flawless);
