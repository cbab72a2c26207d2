import { afterAll, expect, test } from "vitest";
import assert from "node:assert/strict";
import { type ProviderCapabilities, systemClock } from "@busbar/core/provider";
import { runCase } from "../src/case-runner.ts";
import type { ProviderHarness } from "../src/harness.ts";
import { providerCases } from "../src/suite.ts";
import { inspect } from "../src/test-provider.ts";
import { brokerHarness } from "./support/broker-harness.ts";

const harness = await brokerHarness();
afterAll(() => harness.close());

/** The broker's provider with other capabilities. */
function declaring(capabilities: Partial<ProviderCapabilities>): ProviderHarness {
  return {
    ...harness,
    async create(request) {
      const provider = await harness.create(request);
      return { ...provider, capabilities: { ...provider.capabilities, ...capabilities } };
    },
  };
}

test.each([
  { delay: true, retryDelay: false },
  { delay: false, retryDelay: true },
])("the two delays are declined apart: %o", async (delays) => {
  const subject = await inspect(declaring(delays));
  const refused = delays.delay ? "no-retry-delay-refused" : "no-delay-refused";
  const ids = providerCases.filter((it) => it.when?.(subject) === undefined).map(({ id }) => id);
  expect(ids.filter((id) => id.endsWith("delay-refused"))).toEqual([`capabilities/${refused}`]);
  expect(ids.includes("delay/not-before")).toBe(delays.delay);
  expect(ids.includes("settlement/retry-delay")).toBe(delays.retryDelay);
  for (const id of [`capabilities/${refused}`, "admin/stats", "clocks/delay-while-set"]) {
    const it = providerCases.find((candidate) => candidate.id === id);
    assert.ok(it);
    await runCase(it, subject);
  }
});

test("a durable provider with a clock of its own is found", async () => {
  const subject = await inspect({
    ...harness,
    create: async (request) => ({ ...(await harness.create(request)), clock: systemClock }),
  });
  const it = providerCases.find(({ id }) => id === "clocks/none-of-its-own");
  assert.ok(it);
  await expect(runCase(it, subject)).rejects.toThrow();
});

test("a broker that cannot tell late settlements is not asked to", async () => {
  const subject = await inspect(declaring({ lateSettlements: "applied" }));
  const skipped = providerCases.filter((it) => it.when?.(subject)?.includes("late settlements"));
  expect(skipped.map(({ id }) => id)).toEqual(["faults/late-settlement"]);
});

test("what a durable provider declines is tested too", async () => {
  const declined = {
    delay: false,
    retryDelay: false,
    ordering: false,
    deduplication: false,
    priority: false,
    targets: false,
  };
  const subject = await inspect({
    ...harness,
    async create(request) {
      const provider = await harness.create(request);
      const capabilities = { ...provider.capabilities, ...declined };
      return { ...provider, capabilities, groups: undefined };
    },
  });
  const ran: string[] = [];
  for (const it of providerCases.filter(({ group }) => group === "capabilities")) {
    if (it.when?.(subject) !== undefined) continue;
    await runCase(it, subject);
    ran.push(it.id.replace("capabilities/", ""));
  }
  expect(ran).toEqual([
    "well-formed",
    "durable-parts",
    "no-delay-refused",
    "no-retry-delay-refused",
    "no-ordering-refused",
    "no-deduplication-refused",
    "no-targets-refused",
    "no-groups-refused",
  ]);
});
