import { type ProviderRequest, testProvider } from "@busbar/conformance";
import { test } from "vitest";
import { localProvider } from "../src/local-provider.ts";

const harness = {
  create: ({ maxPending, deduplicationWindowMs }: ProviderRequest) =>
    localProvider({ maxPending, deduplicationWindowMs }),
  module: new URL("support/create-provider.ts", import.meta.url),
  adjusts: ["maxPending", "deduplicationWindowMs"],
} as const;

await testProvider(test, harness, { scorecard: new URL("../conformance.json", import.meta.url) });
