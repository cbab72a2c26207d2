import { describe, expect, test } from "vitest";
import { limitOf, runCase } from "../src/case-runner.ts";
import type { ProviderHarness } from "../src/harness.ts";
import type { ModuleContext } from "../src/module-context.ts";
import { inspect } from "../src/test-provider.ts";
import { runModuleCase } from "../src/test-event-bus-module.ts";
import { caseOf } from "./support/case-of.ts";
import { memoryProvider } from "./support/faulty.ts";
import { tinyProvider } from "./support/tiny-provider.ts";

const TWO = "two deliveries instead of one";
const fails = (): Promise<never> => Promise.reject(new Error(TWO));
const hangs = (): Promise<never> => new Promise(() => {});

describe("a case that fails says at which step, also if", () => {
  const afterwards = async (
    harness: Partial<ProviderHarness>,
    run: Parameters<typeof caseOf>[0] = fails,
  ): Promise<void> => {
    const subject = await inspect({ create: tinyProvider, timing: { patience: 0.005 } });
    await runCase(caseOf(run), { ...subject, harness: { ...subject.harness, ...harness } });
  };

  test("the harness cannot clean up", async () => {
    const cleanup = (): Promise<never> => Promise.reject(new Error("the broker is gone"));
    await expect(afterwards({ cleanup })).rejects.toThrow(`${TWO}; and then: the broker is gone`);
  });

  test("the harness hangs while it cleans up", async () => {
    await expect(afterwards({ cleanup: hangs })).rejects.toThrow(
      `${TWO}; and then: The harness could not clean up, and 50 ms have passed`,
    );
  });

  test("its provider cannot be stopped, and what else it made is ended", async () => {
    const ended: string[] = [];
    const made = afterwards({}, async (context) => {
      context.onEnd(() => void ended.push("first"));
      context.onEnd(hangs);
      context.onEnd(() => Promise.reject(new Error("the socket is closed")));
      await fails();
    });
    await expect(made).rejects.toThrow(
      `${TWO}; and then: the socket is closed; and then: What the case had made could not be stopped`,
    );
    expect(ended).toEqual(["first"]);
  });

  test("an event module cannot be stopped", async () => {
    const it = { id: "own/case", name: "a case", promise: "none", run: fails };
    const create = (): ModuleContext["bus"] => ({}) as ModuleContext["bus"];
    const listeners = process.listeners("unhandledRejection");
    await expect(runModuleCase(it, { create, stop: hangs }, 50)).rejects.toThrow(
      `${TWO}; and then: It could not be stopped, and 50 ms have passed`,
    );
    expect(process.listeners("unhandledRejection")).toEqual(listeners);
  });
});

test("the limit of a test leaves time for the case, its end and the harness", async () => {
  const subject = await inspect({ create: memoryProvider });
  expect(limitOf(caseOf(fails, { limitMs: () => 5_000 }), subject)).toBe(
    5_000 + 2 * 10_000 + 1_000,
  );
});
