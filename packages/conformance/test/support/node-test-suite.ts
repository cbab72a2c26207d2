// Run by `node --test` in a child process: the same suite under the runner that Node brings with it.
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { createMemoryProvider } from "@busbar/core/memory";
import { testProvider } from "../../src/test-provider.ts";

await testProvider(
  test,
  {
    create: ({ maxPending, deduplicationWindowMs }) =>
      createMemoryProvider({
        name: "memory",
        channel: new EventEmitter(),
        maxPending,
        deduplicationWindowMs,
      }),
    adjusts: ["maxPending", "deduplicationWindowMs"],
  },
  { scorecard: process.env["TEST_SCORECARD"], scorecardMode: "write", copies: 2 },
);
