import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { sourceEnvironment } from "./project-folder.ts";

/** Milliseconds after which a test reports what the command has written. */
const LIMIT_MS = 20_000;

/** A command that runs in a process of its own. */
export interface RunningCommand {
  /** All that it has written until now. */
  output(): string;
  /** Resolves with the first match in what it writes from now on, or has written since the match before. */
  next(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** Stops reading its standard output, as `head` does when it has enough. */
  closeOutput(): void;
  /** Resolves with its exit code once it has ended. */
  readonly ended: Promise<number | null>;
}

/** Starts a command, from the sources of this package. */
export function startCommand(
  argv: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): RunningCommand {
  const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
  const loader = import.meta.resolve("tsx");
  const child = spawn(process.execPath, ["--import", loader, bin, ...argv], {
    cwd,
    env: { ...sourceEnvironment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  let read = 0;
  let waiting = (): void => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      waiting();
    });
  }
  const ended = once(child, "close").then(([code]) => code as number | null);
  return {
    output: () => output,
    async next(pattern) {
      const limit = AbortSignal.timeout(LIMIT_MS);
      for (;;) {
        const match = pattern.exec(output.slice(read));
        if (match !== null) {
          read += match.index + match[0].length;
          return match;
        }
        const more = new Promise<void>((resolve) => {
          waiting = resolve;
          limit.onabort = () => resolve();
        });
        const isOver = await Promise.race([more, ended.then(() => true)]);
        if (isOver === true || limit.aborted)
          throw new Error(`${pattern} does not come:\n${output}`);
      }
    },
    closeOutput: () => void child.stdout.destroy(),
    kill: (signal) => void child.kill(signal),
    ended,
  };
}
