import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Role } from "@busbar/core";
import { afterEach, vi } from "vitest";

/** The folder of the example. */
export const folder: string = fileURLToPath(new URL("..", import.meta.url));

const started: ChildProcess[] = [];
afterEach(() => started.splice(0).forEach((child) => void child.kill("SIGKILL")));

/** A process of the example, with what it prints. */
export interface ShopProcess {
  readonly printed: string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  terminate(): Promise<number | string>;
}

/** Runs a file of the example in an environment that names a provider. */
export function run(
  file: string,
  role: Role,
  environment: Readonly<Record<string, string>>,
): ShopProcess {
  const args = ["--import", "tsx", "--conditions=@busbar/source", `src/${file}`];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, ...environment, BUSBAR_ROLE: role },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (printed += chunk));
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    get printed() {
      return printed;
    },
    ended,
    terminate() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** Tries until it passes, for at most 20 seconds. */
export function eventually<T>(attempt: () => T): Promise<T> {
  return vi.waitFor(attempt, { timeout: 20_000, interval: 20 });
}

/** The lines below each heading, in no order: subscriptions run next to each other. */
export function sections(output: string): readonly (readonly string[])[] {
  return output
    .trim()
    .split("\n\n")
    .map((section) => section.split("\n").toSorted());
}

/** What the lines of all these processes have in common with a pattern, in no order. */
export function found(pattern: RegExp, ...processes: readonly ShopProcess[]): readonly string[] {
  const matches = processes.flatMap(({ printed }) => [...printed.matchAll(pattern)]);
  return matches.map(([whole, part]) => part ?? whole).toSorted();
}
