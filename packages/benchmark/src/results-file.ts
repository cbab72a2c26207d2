import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { peerVersions } from "./peers.ts";
import type { Effort } from "./rounds.ts";
import type { Answer } from "./statistics.ts";

const folder = fileURLToPath(new URL("../results/", import.meta.url));

/** What the numbers were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
}

/** This machine. */
export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
}

/**
 * Writes a file for each question into a folder of `results/`, and returns the name of that folder. The next run on a
 * Node of the same major version overwrites the files of its questions.
 */
export function writeResults(
  effort: Effort,
  programs: Readonly<Record<string, string | undefined>>,
  answers: readonly Answer[],
): string {
  const measured = {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    machine: machine(),
    versions: { ...ownVersions(), ...peerVersions(), ...programs },
    effort,
  };
  const [major] = process.versions.node.split(".");
  const name = `node-${major}`;
  mkdirSync(join(folder, name), { recursive: true });
  for (const answer of answers) {
    const text = JSON.stringify({ ...answer, measured }, undefined, 2);
    writeFileSync(join(folder, name, `${answer.name}.json`), `${text}\n`);
  }
  return name;
}

function ownVersions(): Readonly<Record<string, string>> {
  const require = createRequire(import.meta.url);
  const names = ["core", "local", "nats", "outbox", "postgres", "redis"].map(
    (name) => `@busbar/${name}`,
  );
  return Object.fromEntries(
    names.map((name) => {
      const manifest = readFileSync(require.resolve(`${name}/package.json`), "utf8");
      return [name, (JSON.parse(manifest) as { readonly version: string }).version];
    }),
  );
}

/** The commit, with a `+` when files other than results differ from it; undefined outside of a repository. */
function commit(): string | undefined {
  const git = (...args: readonly string[]): string =>
    execFileSync("git", args, {
      cwd: dirname(folder),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    const changed = git("status", "--porcelain", "--", ":/", ":!results") !== "";
    return `${git("rev-parse", "--short", "HEAD")}${changed ? "+" : ""}`;
  } catch {
    return undefined;
  }
}
