import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BusInspection } from "@busbar/core";
import { describe, expect, test } from "vitest";
import { checkHealth, checkInspection } from "../src/doctor/check-bus.ts";
import { checkNode, checkPackages } from "../src/doctor/check-installation.ts";
import { checkOutbox } from "../src/doctor/check-outbox.ts";
import type { OutboxFeature } from "../src/project/features.ts";
import { fixture, runCli } from "./support/run-cli.ts";
import { startShop, useShop } from "./support/shop.ts";

const subscription = {
  subscriberId: "mail",
  orphaned: false,
  withheld: 0,
  pausedEverywhere: false,
  dead: 0,
};
const instance = {
  host: "web-1",
  pid: 7,
  here: false,
  status: "up",
  versions: { "@busbar/core": "1.0.0" },
};
const inspection = (instances: readonly object[], subscriptions: readonly object[] = []) =>
  checkInspection({ instances, subscriptions } as unknown as BusInspection);

describe("busbar doctor", () => {
  test("looks at an application on Redis", async () => {
    await startShop(useShop(), (it) =>
      it.subscribe("a", () => {}, { subscriberId: "send-receipt" }),
    );
    const { code, stdout, stderr } = await runCli(["doctor"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ok {7}Node\.js: \d+\./m);
    expect(stdout).toMatch(/^ok {7}Provider: redis works$/m);
    expect(stdout).toMatch(/^ok {7}Name: cli-/m);
    expect(stdout).toMatch(/^ok {7}Permissions: /m);
    expect(stdout).toMatch(/^ok {7}Clock: /m);
  });

  test("says what to do where a server does not answer, and ends with 1", async () => {
    const before = process.env["REDIS_URL"]!;
    process.env["REDIS_URL"] = "redis://127.0.0.1:1";
    try {
      const { code, json } = await runCli(["doctor", "--json", "--connect-timeout", "300"]);
      expect(code).toBe(1);
      expect(json()).toMatchObject({ ok: false });
      const health = await runCli(["health", "--connect-timeout", "300"]);
      expect(health).toMatchObject({ code: 4, stderr: expect.stringContaining("addresses") });
      expect(JSON.stringify(json())).toContain("did not start within 300 ms");
    } finally {
      process.env["REDIS_URL"] = before;
    }
  });

  test("warns of events in memory, and fails without a configuration", async () => {
    const memory = await runCli(["doctor"], { project: "memory" });
    expect(memory).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("lost with the process"),
    });
    const cwd = await mkdtemp(join(tmpdir(), "busbar-cli-"));
    const none = await runCli(["doctor"], { cwd });
    expect(none).toMatchObject({ code: 1, stdout: expect.stringContaining("no busbar.config") });
  });

  test.each([
    ["20.18.3", "failed"],
    ["18.20.0", "failed"],
    ["20.19.0", "ok"],
    ["24.1.0", "ok"],
  ])("takes Node.js %s as %s", (version, status) => {
    expect(checkNode(version).status).toBe(status);
  });

  test("finds packages, and their absence", async () => {
    expect((await checkPackages(fixture("shop")))[0]).toMatchObject({ status: "ok" });
    const missing = await checkPackages(fixture("shop"), ["@busbar/no-such-package"]);
    expect(missing[0]).toMatchObject({ status: "failed" });
  });

  test("warns of clocks, versions, orphans, pauses, dead letters and missing ids", () => {
    const health = {
      status: "up",
      since: new Date(0),
      state: "running",
      consuming: false,
    } as const;
    const skewed = {
      ...health,
      provider: "redis",
      clockSkews: [{ server: "redis", aheadMs: -5_000 }],
    };
    expect(checkHealth(skewed)[1]).toMatchObject({ status: "warning", what: "Clock" });
    expect(checkHealth({ ...skewed, status: "degraded" })[0]).toMatchObject({ status: "failed" });
    expect(inspection([])[0]).toMatchObject({ status: "warning", what: "Instances" });
    const older = { ...instance, versions: { "@busbar/core": "0.9.0" } };
    expect(inspection([instance, older])[0]!.message).toBe(
      "instances run @busbar/core 1.0.0 and 0.9.0",
    );
    expect(inspection([{ ...instance, status: "down" }])[0]!.message).toContain(
      "process 7 on web-1",
    );
    for (const [change, text] of [
      [{ orphaned: true, withheld: 3 }, "3 so far"],
      [{ pausedEverywhere: true }, "subscriptions resume mail"],
      [{ dead: 4 }, "busbar dead list --subscription mail"],
      [{ subscriberId: "order.placed#anonymous" }, "subscriberId"],
    ] as const) {
      const findings = inspection([instance], [{ ...subscription, ...change }]);
      expect(JSON.stringify(findings)).toContain(text);
    }
  });

  test("warns of events that wait in the outbox or were refused, and of missing tables", async () => {
    const outbox = (numbers: object): OutboxFeature =>
      ({
        inspect: async () => ({ pending: 0, failed: 0, oldestAt: undefined, ...numbers }),
      }) as never;
    expect(await checkOutbox(outbox({}), 0)).toMatchObject([{ status: "ok" }]);
    const late = outbox({ pending: 2, oldestAt: new Date(0), failed: 1 });
    expect(await checkOutbox(late, 61_000)).toMatchObject([
      { status: "warning", message: expect.stringContaining("2 events wait") },
      { status: "warning", advice: expect.stringContaining("outbox status") },
    ]);
    const broken = { inspect: () => Promise.reject(new Error("no table")) } as never;
    expect(await checkOutbox(broken, 0)).toMatchObject([
      { status: "failed", advice: expect.stringContaining("busbar outbox migrate") },
    ]);
  });
});
