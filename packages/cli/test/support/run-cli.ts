import { fileURLToPath } from "node:url";
import { run } from "../../src/cli.ts";
import type { ExitCode } from "../../src/exit-codes.ts";

/** What a command has written, and how it ended. */
export interface CliRun {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
  /** The output, read as one JSON document. */
  json(): unknown;
}

export interface CliOptions {
  /** A folder in `test/fixtures`. @default "shop" */
  readonly project?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** What a person answers. Without it, nobody is at the terminal. */
  readonly answer?: string;
  readonly isTTY?: boolean;
  readonly signal?: AbortSignal;
  /** Called with what is written to the standard output, as it comes. */
  readonly onOutput?: (text: string) => void;
  readonly onError?: (text: string) => unknown;
}

/** The path of a project in `test/fixtures`. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

/** Runs a command in this process. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  let [stdout, stderr] = ["", ""];
  const { isTTY, answer } = options;
  const code = await run(argv, {
    stdout: {
      isTTY,
      write(text) {
        stdout += text;
        options.onOutput?.(text);
      },
    },
    stderr: {
      isTTY,
      write(text) {
        stderr += text;
        options.onError?.(text);
      },
    },
    env: options.env ?? {},
    cwd: options.cwd ?? fixture(options.project ?? "shop"),
    signal: options.signal ?? new AbortController().signal,
    readInput: async () => options.input ?? "",
    ask: async () => answer,
  });
  return {
    code,
    stdout,
    stderr,
    json() {
      return JSON.parse(stdout) as unknown;
    },
  };
}
