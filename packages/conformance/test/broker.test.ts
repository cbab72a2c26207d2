import { afterAll, test } from "vitest";
import { testProvider } from "../src/test-provider.ts";
import { brokerHarness } from "./support/broker-harness.ts";

const { close, ...harness } = await brokerHarness();
afterAll(close);

await testProvider(test, harness);
