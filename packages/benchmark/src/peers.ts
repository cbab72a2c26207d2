import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Where peers are installed. */
export const peerFolder: string = fileURLToPath(new URL("../.peers/", import.meta.url));
/** Where peers are installed that need a newer Node than others. Everything else is found in the folder above. */
const newerFolder = join(peerFolder, "node-22");
const isNewerNode = Number(process.versions.node.split(".")[0]) >= 22;
const require = createRequire(join(isNewerNode ? newerFolder : peerFolder, "package.json"));

type Versions = Readonly<Record<string, string>>;

/** The packages that Busbar is measured against on this Node, with their exact versions. */
export function peerVersions(): Versions {
  return { ...versionsIn("peers.json"), ...(isNewerNode && versionsIn("peers-node-22.json")) };
}

function versionsIn(file: string): Versions {
  return JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), "utf8")) as Versions;
}

/** Loads an installed peer, a CommonJS module or on Node 22 and newer also an ES module. */
export function requirePeer<T>(name: string): T {
  return require(name) as T;
}

/** Loads an installed peer that is an ES module. */
export async function importPeer<T>(name: string): Promise<T> {
  return (await import(pathToFileURL(require.resolve(name)).href)) as T;
}

/** Loads one file of an installed peer, exported or not. */
export function requirePeerFile<T>(path: string): T {
  return require(join(peerFolder, "node_modules", path)) as T;
}

/**
 * Installs the peers into `.peers/`, unless these versions are there. Nothing else in this
 * repository installs or loads them.
 */
export async function installPeers(): Promise<void> {
  await install(peerFolder, versionsIn("peers.json"));
  if (isNewerNode) await install(newerFolder, versionsIn("peers-node-22.json"));
}

async function install(folder: string, dependencies: Versions): Promise<void> {
  const manifest = JSON.stringify({ private: true, dependencies }, undefined, 2);
  const marker = join(folder, "installed.json");
  if (existsSync(marker) && readFileSync(marker, "utf8") === manifest) return;
  const names = Object.entries(dependencies).map(([name, version]) => `${name}@${version}`);
  process.stderr.write(
    `Installing into packages/benchmark/.peers, once, to measure against (about 300 MB):\n  ${names.join("\n  ")}\n`,
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), manifest);
  await npmInstall(folder);
  writeFileSync(marker, manifest);
}

/** Peers of peers are an administration and databases, which are not measured; nor are scripts run. */
function npmInstall(cwd: string): Promise<void> {
  const args = "install --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error";
  return new Promise((resolve, reject) => {
    const child = spawn("npm", args.split(" "), { cwd, stdio: ["ignore", 2, 2] });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm install ended with code ${code} in ${cwd}`));
    });
  });
}
