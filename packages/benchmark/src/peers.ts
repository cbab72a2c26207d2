import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Where peers are installed. */
export const peerFolder: string = fileURLToPath(new URL("../.peers/", import.meta.url));
const require = createRequire(join(peerFolder, "package.json"));

/** The packages that Busbar is measured against, with their exact versions. */
export function peerVersions(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(new URL("../peers.json", import.meta.url), "utf8")) as Record<
    string,
    string
  >;
}

/** Loads an installed peer that is CommonJS. */
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
  const dependencies = peerVersions();
  const manifest = JSON.stringify({ private: true, dependencies }, undefined, 2);
  const marker = join(peerFolder, "installed.json");
  if (existsSync(marker) && readFileSync(marker, "utf8") === manifest) return;
  const names = Object.entries(dependencies).map(([name, version]) => `${name}@${version}`);
  process.stderr.write(
    `Installing into packages/benchmark/.peers, once, to measure against (about 290 MB):\n  ${names.join("\n  ")}\n`,
  );
  mkdirSync(peerFolder, { recursive: true });
  writeFileSync(join(peerFolder, "package.json"), manifest);
  await npmInstall();
  writeFileSync(marker, manifest);
}

/** Peers of peers are an administration and databases, which are not measured; nor are scripts run. */
function npmInstall(): Promise<void> {
  const args = "install --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error";
  return new Promise((resolve, reject) => {
    const child = spawn("npm", args.split(" "), { cwd: peerFolder, stdio: ["ignore", 2, 2] });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm install ended with code ${code} in packages/benchmark/.peers`));
    });
  });
}
