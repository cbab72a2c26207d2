import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { projectFolder } from "./support/project-folder.ts";
import { runCli } from "./support/run-cli.ts";

/** A project whose configuration says by `hangs()` that it waits for ever from now on. */
function hangingProject(config: string): { cwd: string; signal: AbortSignal } {
  const cwd = projectFolder();
  writeFileSync(join(cwd, "busbar.config.mjs"), config);
  const told = new AbortController();
  const global = globalThis as { hangs?: () => void };
  global.hangs = () => told.abort(new Error("SIGTERM"));
  onTestFinished(() => void delete global.hangs);
  return { cwd, signal: told.signal };
}

const LOAD = "globalThis.hangs(); await new Promise(() => {}); export default {};";
const START = `
export default {
  plugins: [
    {
      name: "slow",
      start() {
        globalThis.hangs();
        return new Promise(() => {});
      },
    },
  ],
  logger: false,
};`;

describe.each([
  ["the configuration is loaded", LOAD],
  ["a plugin starts", START],
])("a command that is told to end while %s", (_, config) => {
  test("ends: a worker with 0, as it does while it runs", async () => {
    const { code, stderr } = await runCli(["worker"], hangingProject(config));
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining("error") });
  });

  test("ends: another command with 1, because it has not done its work", async () => {
    const { code, stderr } = await runCli(["health"], hangingProject(config));
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("The command was ended before"),
    });
  });
});
