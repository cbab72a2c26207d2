import { testProvider } from "@busbar/conformance";
import { test } from "vitest";
import { testingProvider } from "../src/index.ts";

await testProvider(test, {
  create: (options) => testingProvider({ ...options, time: "system" }),
  adjusts: ["maxPending", "deduplicationWindowMs"],
});
