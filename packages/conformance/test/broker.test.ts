import { afterAll, test } from "vitest";
import { testProvider } from "../src/test-provider.ts";
import { brokerHarness } from "./support/broker-harness.ts";

const harness = await brokerHarness();
afterAll(() => harness.close());

await testProvider(test, harness);
