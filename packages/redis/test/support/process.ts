import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
// @boundaries-ignore what starts the processes of all tests
import { bundlePrograms } from "../../../../.ci/child-programs.mjs";
import { eventually } from "./eventually.ts";

/** What a child process is told, in its first argument as JSON. */
export type ProcessInput = Readonly<Record<string, unknown>>;

/** A child process that prints a line of JSON, `["word", …]`, for each thing that it does. */
export interface TestProcess {
  /** What it has printed. */
  readonly lines: readonly (readonly unknown[])[];
  /** Resolves when that many lines begin with the word. */
  saw(word: string, times?: number): Promise<void>;
  /** kill -9, and waits for the end. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  terminate(): Promise<void>;
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<unknown>;
}

/** Starts a file of `test/processes` and waits until it prints `["ready"]`. */
export async function startProcess(
  file: string,
  input: ProcessInput,
  env: Readonly<Record<string, string>> = {},
): Promise<TestProcess> {
  const [program] = await bundlePrograms(new URL(`../processes/${file}`, import.meta.url));
  const child = spawn(process.execPath, [fileURLToPath(program), JSON.stringify(input)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const ended = once(child, "exit");
  const lines: unknown[][] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(JSON.parse(line) as unknown[]));
  const saw = (word: string, times: number, timeoutMs?: number): Promise<void> =>
    eventually(() => {
      const seen = lines.filter(([first]) => first === word).length;
      if (seen < times) throw new Error(`${file} printed "${word}" ${seen} of ${times} times`);
    }, timeoutMs);
  const started: TestProcess = {
    lines,
    saw: (word, times = 1) => saw(word, times),
    kill: () => end(child, "SIGKILL", ended),
    terminate: () => end(child, "SIGTERM", ended),
    ended,
  };
  // On a machine that is busy with other tests, a process takes long to load.
  await saw("ready", 1, 60_000);
  return started;
}

async function end(child: ChildProcess, signal: NodeJS.Signals, ended: Promise<unknown>) {
  child.kill(signal);
  await ended;
}
