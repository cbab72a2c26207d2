import { testProvider } from "@busbar/conformance";
import { test } from "vitest";
import { testingProvider } from "../src/index.ts";

await testProvider(
  test,
  {
    // The suite waits for what passes by itself; virtual time stands still until a test moves it.
    create: ({ maxPending, deduplicationWindowMs }) =>
      testingProvider({ maxPending, deduplicationWindowMs, time: "system" }),
    module: new URL("support/create-provider.ts", import.meta.url),
    adjusts: ["maxPending", "deduplicationWindowMs"],
  },
  { scorecard: new URL("../conformance.json", import.meta.url) },
);
