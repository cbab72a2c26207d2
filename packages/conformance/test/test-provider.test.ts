import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ProviderHarness } from "../src/harness.ts";
import { runCase } from "../src/case-runner.ts";
import {
  type CaseOutcome,
  checkScorecard,
  createScorecard,
  writeScorecard,
} from "../src/scorecard.ts";
import { providerCases } from "../src/suite.ts";
import { inspect, testProvider } from "../src/test-provider.ts";
import { estimating } from "./support/mutants-of-numbers.ts";
import { caseOf } from "./support/case-of.ts";
import { faulty, memoryProvider } from "./support/faulty.ts";

const durable: ProviderHarness = faulty((inner) => ({
  capabilities: { ...inner.capabilities, durable: true },
}));
const module = new URL("support/broker-module.ts", import.meta.url);

describe("the harness of a durable provider", () => {
  const register = (faults: unknown) =>
    testProvider(() => {}, { ...durable, faults } as ProviderHarness);

  test("is refused without faults", async () => {
    await expect(register(undefined)).rejects.toThrow(/^Provider "memory" .* needs faults/);
    await expect(register(undefined)).rejects.toThrow(TypeError);
  });

  test("is refused without a module", async () => {
    await expect(register({ connection: false })).rejects.toThrow(/lacks faults.module/);
  });

  test("is refused with a connection that cannot be cut", async () => {
    const faults = { connection: true, module, restart() {} };
    await expect(register(faults)).rejects.toThrow(
      /lacks faults.cut, faults.halfOpen, faults.heal$/,
    );
  });

  test("is accepted with what its kind needs", async () => {
    await register({ connection: false, module });
    const hooks = { restart() {}, cut() {}, halfOpen() {}, heal() {} };
    await register({ connection: true, module, ...hooks });
  });
});

describe("the cases", () => {
  test("have ids of their own, in their groups, and names of their own", () => {
    const ids = providerCases.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, group } of providerCases) expect(id).toMatch(new RegExp(`^${group}/[a-z-]+$`));
    const names = providerCases.map(({ group, name }) => `${group}: ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test("stop what they made, and say what they waited for, when they fail", async () => {
    const subject = await inspect({ create: memoryProvider, timing: { patience: 0.01 } });
    let probe: (() => Promise<{ ok: boolean }>) | undefined;
    const waits = caseOf(async (context) => {
      const { provider } = await context.start();
      probe = async () => (await provider.probe?.()) ?? { ok: true };
      await context.waiting.until("the moon to be full", () => false);
    });
    await expect(runCase(waits, subject)).rejects.toThrow(
      /in vain for the moon to be full.*100 ms/,
    );
    expect(await probe?.()).toMatchObject({ ok: false });
  });

  test("fail for what is thrown in the background, and give the runner its listeners back", async () => {
    const before = process.listeners("unhandledRejection");
    const subject = await inspect({ create: memoryProvider });
    const throws = caseOf(async () => {
      void Promise.reject(new Error("nobody catches this"));
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
    await expect(runCase(throws, subject)).rejects.toThrow(/background: nobody catches this/);
    expect(process.listeners("unhandledRejection")).toEqual(before);
  });
});

/** As Node does by itself from 22.18 on. */
const stripsTypes = "typescript" in process.features && Boolean(process.features.typescript);

test("a case says how to load TypeScript in the processes that it kills, where nothing does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "busbar-conformance-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const elsewhere = pathToFileURL(join(folder, "create-provider.ts"));
  const faults = { connection: false, module: elsewhere } as const;
  const subject = await inspect({ ...durable, faults });
  const kills = caseOf(async (context) => (await context.child()).kill());
  const message = stripsTypes ? /create-provider\.ts/ : /create-provider\.ts.*install tsx/;
  await expect(runCase(kills, subject)).rejects.toThrow(message);
});

test("a case says whether it has compared the numbers of queues loosely", async () => {
  const subject = await inspect({ ...estimating(100), timing: undefined });
  const results = [];
  for (const id of ["settlement/ack-after-handler", "settlement/ack"]) {
    const it = providerCases.find((candidate) => candidate.id === id);
    assert.ok(it);
    results.push(await runCase(it, subject));
  }
  expect(results).toEqual([{ loosely: true }, { loosely: false }]);
});

describe("the scorecard", () => {
  const cases = ["a", "b", "c"].map((id) => ({ ...caseOf(async () => {}), id: `own/${id}` }));
  const outcomes = new Map<string, CaseOutcome>([
    ["own/a", { status: "passed", note: "loosely" }],
    ["own/b", { status: "failed" }],
    ["own/c", { status: "skipped", reason: "the provider has no delay" }],
  ]);

  test("says what became of each case, and why it was skipped", async () => {
    const subject = await inspect({ create: memoryProvider });
    const scorecard = createScorecard(subject, cases, outcomes);
    expect(scorecard).toMatchObject({
      provider: "memory",
      parts: ["subscriptions", "admin", "schedules", "probe"],
      counts: { passed: 1, failed: 1, skipped: 1 },
    });
    expect(scorecard.groups[0]?.cases[0]).toMatchObject({ status: "passed", note: "loosely" });
    expect(scorecard.groups[0]?.cases[2]).toEqual({
      id: "own/c",
      name: "a case",
      status: "skipped",
      reason: "the provider has no delay",
    });
  });

  test("needs a run of all cases", async () => {
    const subject = await inspect({ create: memoryProvider });
    expect(() => createScorecard(subject, cases, new Map())).toThrow(/own\/a did not run/);
  });

  test("is compared with the one that is committed, whatever its layout", async () => {
    const folder = mkdtempSync(join(tmpdir(), "busbar-conformance-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "conformance.json");
    const subject = await inspect({ create: memoryProvider });
    const scorecard = createScorecard(subject, cases, outcomes);
    expect(() => checkScorecard(file, scorecard)).toThrow(/is missing/);
    expect(existsSync(file)).toBe(false);
    writeScorecard(file, scorecard);
    checkScorecard(file, scorecard);
    writeFileSync(file, JSON.stringify(scorecard));
    checkScorecard(file, scorecard);
    const worse = new Map([...outcomes, ["own/a", { status: "failed" }] as const]);
    expect(() => checkScorecard(file, createScorecard(subject, cases, worse))).toThrow(
      /is not what the run has shown/,
    );
  });
});
