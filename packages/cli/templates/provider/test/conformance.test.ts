import { test } from "node:test";
import { testProvider } from "@busbar/conformance";
import { createProvider } from "./create-provider.ts";
import { createFaults } from "./faults.ts";

const { durable } = createProvider({ namespace: "capabilities" }).capabilities;

await testProvider(
  test,
  { create: createProvider, faults: durable ? createFaults() : undefined },
  { scorecard: new URL("../conformance.json", import.meta.url) },
);
