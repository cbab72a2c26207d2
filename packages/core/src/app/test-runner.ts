import { fileURLToPath } from "node:url";
import { resolvePackage } from "./resolve-source.ts";

/** Imports a file or resolved module, and returns its exports. */
export type Import = (url: URL) => Promise<unknown>;

/**
 * Returns how the test runner of this process imports files: compiled as the runner is configured, and with the
 * mocks of the test. An import in this package would leave the runner, as it does in every installed package.
 * Undefined where there is no such runner.
 *
 * @param directories - Where the runner is looked for, then in the working directory.
 */
export async function importOfTestRunner(
  directories: readonly string[],
): Promise<Import | undefined> {
  // Jest runs this package itself, if it is told to, and knows paths only.
  if (process.env["JEST_WORKER_ID"] !== undefined) return (url) => import(fileURLToPath(url));
  if (process.env["VITEST"] === undefined) return undefined;
  try {
    const url = resolvePackage("vitest", [...directories, process.cwd()]);
    const { vi } = (await import(/* @vite-ignore */ url.href)) as VitestExports;
    // Fails in a process that a test has started: it inherits the environment, and is no part of the test.
    await vi.importActual("node:path");
    // Actual is the file itself. What it imports may be mocked.
    return (file) => vi.importActual(file.href);
  } catch {
    return undefined;
  }
}

interface VitestExports {
  readonly vi: { importActual(file: string): Promise<unknown> };
}
