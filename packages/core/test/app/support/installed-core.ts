import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { install } from "./project.ts";

const corePath = path.resolve(import.meta.dirname, "../../..");
const nodeModules = path.join(corePath, "node_modules");

/** This package as it is when it is installed: compiled, with its dependencies, and nothing else. */
export interface InstalledCore {
  readonly path: string;
  remove(): void;
}

/** Compiles this package into a directory of its own. */
export function installCore(): InstalledCore {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "busbar-core-")));
  execFileSync(process.execPath, [path.join(corePath, "build.mjs"), path.join(root, "dist")], {
    stdio: "inherit",
  });
  const manifest = JSON.parse(readFileSync(path.join(corePath, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  writeFileSync(path.join(root, "package.json"), JSON.stringify(manifest));
  for (const name of Object.keys(manifest.dependencies)) {
    install(root, name, dependencyPath(name));
  }
  return { path: root, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** The real path of a package that this one depends on. */
export function dependencyPath(name: string): string {
  return realpathSync(path.join(nodeModules, name));
}

/** A process of an application under test. */
export interface TestProcess {
  readonly child: ChildProcess;
  /** Waits for a line of its output, also one that was written before. */
  line(text: string): Promise<void>;
  /** Waits for its end: its exit code, or the signal that ended it. */
  ended: Promise<number | string>;
  /** Everything it has written so far. */
  output(): string;
}

/** Runs a file with plain Node.js: no loader, no conditions. */
export function run(file: string, env: Readonly<Record<string, string>> = {}): TestProcess {
  const { NODE_OPTIONS: _, NODE_ENV: __, VITEST: ___, ...inherited } = process.env;
  const child = spawn(process.execPath, [file], {
    cwd: path.dirname(file),
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const check of waiting) check();
    });
  }
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    child,
    ended,
    output: () => lines.join("\n"),
    async line(text) {
      const found = new Promise<true>((resolve) => {
        const check = (): void => {
          if (!lines.some((line) => line.includes(text))) return;
          waiting.delete(check);
          resolve(true);
        };
        waiting.add(check);
        check();
      });
      if ((await Promise.race([found, ended])) === true) return;
      throw new Error(`The process ended without "${text}":\n${lines.join("\n")}`);
    },
  };
}
