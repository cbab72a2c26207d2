import { testProvider } from "@busbar/conformance";
import { test } from "vitest";
import { createProvider, removeDatabase } from "./create-provider.ts";

await testProvider(
  test,
  {
    create: createProvider,
    cleanup: removeDatabase,
    faults: { connection: false, module: new URL("create-provider.ts", import.meta.url) },
  },
  { scorecard: new URL("../conformance.json", import.meta.url) },
);
