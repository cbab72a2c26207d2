import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fixture, runCli } from "./support/run-cli.ts";

describe("busbar", () => {
  test("shows its commands and ends with 0", async () => {
    const { code, stdout } = await runCli(["--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("Usage: busbar [options] [command]");
    expect(stdout).toMatch(/^ {2}worker /m);
  });

  test("prints its version", async () => {
    expect((await runCli(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each([
    [["no-such"], "unknown command 'no-such'"],
    [["helth"], "(Did you mean health?)"],
    [["health", "--jsn"], "(Did you mean --json?)"],
    [["emit"], "missing required argument 'name'"],
    [["emit", "a", "{"], "The data is not JSON"],
    [["emit", "a", "@missing.json"], "missing.json cannot be read"],
    [["emit", "a", "1", "--delay", "soon"], "It must be a whole number from 0"],
    [["health", "--config", "other.ts"], "There is no file"],
    [["health", "--env-file", "missing.env"], "missing.env cannot be read"],
  ])("ends with 2 for %j", async (argv, message) => {
    const { code, stderr, stdout } = await runCli(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(message);
  });

  test("says where it has looked for a configuration", async () => {
    const cwd = await mkdtemp(join(tmpdir(), "busbar-cli-"));
    const { code, stderr } = await runCli(["health"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain(`There is no busbar.config file in ${cwd}`);
  });

  test("finds the configuration in a folder above", async () => {
    const cwd = join(fixture("memory"), "src");
    expect((await runCli(["health", "--json"], { cwd })).json()).toMatchObject({ status: "up" });
  });

  test("ends with 4 where events are in the memory of another process", async () => {
    const { code, stderr } = await runCli(["emit", "a"], { project: "memory" });
    expect(code).toBe(4);
    expect(stderr).toContain(`Provider "local" keeps events in the memory of your application`);
    expect(stderr).toContain("@busbar/redis");
  });

  test("writes errors as JSON with --json", async () => {
    const { stderr } = await runCli(["emit", "a", "--json"], { project: "memory" });
    expect(JSON.parse(stderr)).toMatchObject({
      error: { message: expect.stringContaining("memory") },
    });
  });

  test("has colours on a terminal only, and not with NO_COLOR or --no-color", async () => {
    const health = (argv: string[], options: object): Promise<string> =>
      runCli(["emit", "a", "1", ...argv], { project: "memory", ...options }).then(
        ({ stderr }) => stderr,
      );
    expect(await health([], { isTTY: true })).toContain("\u001B[31merror:");
    for (const [argv, options] of [
      [[], { isTTY: false }],
      [[], { isTTY: true, env: { NO_COLOR: "1" } }],
      [["--no-color"], { isTTY: true }],
    ] as const) {
      expect(await health([...argv], options)).not.toContain("\u001B");
    }
  });
});
