import { afterEach, describe, expect, test, vi } from "vitest";
import { createGate } from "../src/builders.ts";
import { runCase } from "../src/case-runner.ts";
import { registerStress, runCopies } from "../src/stress.ts";
import { providerCases } from "../src/suite.ts";
import type { TestFunction } from "../src/test-function.ts";
import { inspect, testProvider } from "../src/test-provider.ts";
import { brokerHarness } from "./support/broker-harness.ts";
import { caseOf } from "./support/case-of.ts";
import { tinyProvider } from "./support/tiny-provider.ts";

const tiny = { create: tinyProvider };

interface Registered {
  readonly name: string;
  readonly timeout: number | undefined;
  readonly run: () => Promise<void>;
}

/** A runner that runs nothing by itself. */
function collector(): { readonly registered: Registered[]; readonly test: TestFunction } {
  const registered: Registered[] = [];
  return {
    registered,
    test: (name, { timeout }, run) => registered.push({ name, timeout, run }),
  };
}

afterEach(() => vi.unstubAllEnvs());

describe("under stress", () => {
  test("the whole suite runs twice at once", { timeout: 60_000 }, async () => {
    vi.stubEnv("BUSBAR_CONFORMANCE", "stress");
    const { registered, test: collect } = collector();
    const lines: string[] = [];
    await testProvider(collect, tiny, { copies: 2, report: (line) => lines.push(line) });
    const stress = registered.at(-1);
    expect(registered).toHaveLength(providerCases.length + 1);
    expect(stress?.name).toBe("stress: the whole suite, 2 times at once");
    await stress?.run();
    const subject = await inspect(tiny);
    const own = providerCases.filter((it) => it.when?.(subject) === undefined);
    expect(own.length).toBeGreaterThan(100);
    expect(lines).toEqual([`stress: 2 times at once: ${2 * own.length} passed, 0 failed`]);
  });

  test("it does so ten times, and no runner is told more than it can wait", async () => {
    const { registered, test: collect } = collector();
    await testProvider(collect, tiny, { mode: "stress" });
    expect(registered.at(-1)?.name).toContain("10 times at once");
    expect(registered.at(-1)?.timeout).toBeLessThan(2 ** 31);
    expect(registered.at(-1)?.timeout).toBeGreaterThan(600_000);
  });

  test("and only then", async () => {
    vi.stubEnv("BUSBAR_CONFORMANCE", "");
    for (const mode of ["quick", undefined] as const) {
      const { registered, test: collect } = collector();
      await testProvider(collect, tiny, { mode });
      expect(registered).toHaveLength(providerCases.length);
    }
  });

  test("the fault cases of the suite itself have the full load, and the copies the small one", async () => {
    const harness = await brokerHarness();
    const loads: number[] = [];
    const subject = await inspect(harness, { mode: "stress" });
    const seen = caseOf(async ({ load }) => void loads.push(load.events));
    await runCase(seen, subject);
    const { registered, test: collect } = collector();
    registerStress(collect, [seen], subject, 2);
    await registered[0]?.run();
    await harness.close();
    expect(loads).toEqual([10_000, 900, 900]);
  });

  test("copies must be a whole number", async () => {
    for (const copies of [0, 1.5]) {
      const options = { mode: "stress", copies } as const;
      await expect(testProvider(() => {}, tiny, options)).rejects.toThrow(TypeError);
    }
  });
});

describe("copies of the cases", () => {
  test("run at the same time, each in a namespace of its own", async () => {
    const namespaces = new Set<string>();
    const all = createGate();
    const meets = caseOf(async ({ namespace }) => {
      namespaces.add(namespace);
      if (namespaces.size === 3) all.open();
      await all.opened;
    });
    const result = await runCopies([meets], await inspect(tiny), 3);
    expect(result).toEqual({ passed: 3, failures: [] });
  });

  test("begin at different cases", async () => {
    const order: string[] = [];
    const cases = ["a", "b", "c", "d"].map((id) => caseOf(async () => void order.push(id), { id }));
    await runCopies(cases, await inspect(tiny), 2);
    expect(order.slice(0, 2)).toEqual(["a", "c"]);
    expect(order.toSorted()).toEqual(["a", "a", "b", "b", "c", "c", "d", "d"]);
  });

  test("leave those alone that must be alone", async () => {
    let running = 0;
    const most = { together: 0, alone: 0 };
    const counts = (key: keyof typeof most) => async (): Promise<void> => {
      most[key] = Math.max(most[key], ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
    };
    const cases = [
      caseOf(counts("together"), { id: "a" }),
      caseOf(counts("alone"), { id: "b", alone: true }),
      caseOf(counts("together"), { id: "c" }),
    ];
    const { passed } = await runCopies(cases, await inspect(tiny), 5);
    expect(passed).toBe(15);
    expect(most.alone).toBe(1);
    expect(most.together).toBeGreaterThan(1);
  });

  test("skip what is not for the provider", async () => {
    const skipped = caseOf(() => Promise.reject(new Error("ran")), { when: () => "for a reason" });
    expect(await runCopies([skipped], await inspect(tiny), 2)).toEqual({ passed: 0, failures: [] });
  });

  test("go on after a failure, and say in which copy it was", async () => {
    let count = 0;
    const cases = [
      caseOf(async () => {
        if (++count === 2) throw new Error("the second is unlucky");
      }),
      caseOf(async () => {}, { id: "own/other" }),
    ];
    const { registered, test: collect } = collector();
    const lines: string[] = [];
    const subject = await inspect(tiny, { report: (line) => lines.push(line) });
    registerStress(collect, cases, subject, 3);
    await expect(registered[0]?.run()).rejects.toThrow(
      /^1 failed:\n- own\/case in copy \d: the second is unlucky$/,
    );
    expect(lines).toEqual(["stress: 3 times at once: 5 passed, 1 failed"]);
  });

  test("fail for what is thrown in the background, and give the runner its listeners back", async () => {
    const before = process.listeners("unhandledRejection");
    const throws = caseOf(async () => {
      void Promise.reject(new Error("nobody catches this"));
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
    const { passed, failures } = await runCopies([throws], await inspect(tiny), 2);
    expect(passed).toBe(2);
    expect(failures.map(({ id, error }) => [id, String(error)])).toEqual([
      ["background", expect.stringContaining("nobody catches this")],
    ]);
    expect(process.listeners("unhandledRejection")).toEqual(before);
  });
});
