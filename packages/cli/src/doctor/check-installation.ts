import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { type Finding, failed, ok, warning } from "./finding.ts";

const LEAST_NODE = [20, 19] as const;

/** The packages of Busbar that a project may have, in the order of the table in the README. */
const PACKAGES = [
  "core",
  "local",
  "redis",
  "postgres",
  "nats",
  "sql",
  "outbox",
  "webhooks",
  "dashboard",
  "telemetry",
  "testing",
].map((name) => `@busbar/${name}`);

interface Manifest {
  readonly version: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** Looks at Node.js. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1]);
  return isOld
    ? failed("Node.js", `${version} is too old`, `Install Node.js ${LEAST_NODE.join(".")} or later`)
    : ok("Node.js", version);
}

/** Looks whether the packages of the project fit each other, and have what they need next to them. */
export async function checkPackages(
  root: string,
  names: readonly string[] = PACKAGES,
): Promise<readonly Finding[]> {
  const found = new Map<string, Manifest>();
  for (const name of names) {
    const manifest = await manifestOf(root, name);
    if (manifest !== undefined) found.set(name, manifest);
  }
  if (found.size === 0) {
    return [
      failed("Packages", `no package of Busbar is installed in ${root}`, "Run npm install there"),
    ];
  }
  const versions = new Set([...found.values()].map(({ version }) => version));
  const list = [...found].map(([name, { version }]) => `${name} ${version}`).join(", ");
  const same =
    versions.size === 1
      ? ok("Packages", list)
      : warning("Packages", `their versions differ: ${list}`, "Install the same version of each");
  return [same, ...(await missingPeers(root, found))];
}

async function missingPeers(
  root: string,
  found: ReadonlyMap<string, Manifest>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [name, { peerDependencies = {}, peerDependenciesMeta = {} }] of found) {
    for (const [peer, range] of Object.entries(peerDependencies)) {
      if (peerDependenciesMeta[peer]?.optional === true || found.has(peer)) continue;
      if ((await manifestOf(root, peer)) !== undefined) continue;
      findings.push(
        failed("Packages", `${name} needs ${peer}`, `Run npm install "${peer}@${range}"`),
      );
    }
  }
  return findings;
}

/** Reads the manifest of an installed package, also of one that does not export it. */
async function manifestOf(root: string, name: string): Promise<Manifest | undefined> {
  for (const folder of createRequire(path.join(root, "package.json")).resolve.paths(name) ?? []) {
    try {
      return JSON.parse(
        await readFile(path.join(folder, name, "package.json"), "utf8"),
      ) as Manifest;
    } catch {
      // It is not in this folder.
    }
  }
  return undefined;
}
