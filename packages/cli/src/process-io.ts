import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import type { Io } from "./io.ts";

/** Returns what a command has of this process. */
export function processIo(signal: AbortSignal): Io {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    signal,
    readInput: () => text(process.stdin),
    async ask(question) {
      if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
      const terminal = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return await terminal.question(question, { signal });
      } finally {
        terminal.close();
      }
    },
  };
}
