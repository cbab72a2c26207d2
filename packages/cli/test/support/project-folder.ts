import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** Makes a folder in which projects find the packages of this repository. It goes when the test has finished. */
export function projectFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "busbar-create-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const packages = fileURLToPath(new URL("../../node_modules", import.meta.url));
  symlinkSync(packages, join(folder, "node_modules"), "junction");
  return folder;
}

/** The environment of processes that run the sources of this repository. */
export const sourceEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  NODE_OPTIONS: "--conditions=@busbar/source",
  // A process that a test has started is no part of the test.
  VITEST: undefined,
  NODE_ENV: undefined,
};
