import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import type { Scorecard } from "../src/scorecard.ts";
import { providerCases } from "../src/suite.ts";

test(
  "the suite runs under node:test, also under stress, and writes its scorecard",
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "busbar-conformance-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "conformance.json");

    const suite = fileURLToPath(new URL("support/node-test-suite.ts", import.meta.url));
    const flags = [
      "--conditions=@busbar/source",
      "--import",
      "tsx",
      "--test",
      "--test-reporter=tap",
    ];
    const child = spawn(process.execPath, [...flags, suite], {
      env: {
        ...process.env,
        TEST_SCORECARD: file,
        BUSBAR_CONFORMANCE: "stress",
        NODE_OPTIONS: "",
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (data: Buffer) => (output += data.toString()));
    const code = await new Promise((resolve) => child.once("exit", resolve));

    expect(code, output.slice(-4_000)).toBe(0);
    const scorecard = JSON.parse(readFileSync(file, "utf8")) as Scorecard;
    const { passed, failed, skipped } = scorecard.counts;
    expect(failed).toBe(0);
    expect(passed).toBeGreaterThan(150);
    expect(passed + skipped).toBe(providerCases.length);
    expect(output, "each case, the stress, the scorecard").toContain(`# pass ${passed + 2}`);
    expect(output).toContain(`stress: 2 times at once: ${2 * passed} passed, 0 failed`);
  },
);
