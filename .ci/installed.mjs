import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cache, run } from "./lib.mjs";

/**
 * The folder where a package of a gate's own is installed, below `node_modules`. One that is not there is installed.
 *
 * @param {string} name
 * @param {string} version
 * @throws {Error} When npm cannot install it.
 */
export async function installed(name, version) {
  const place = join(cache, "installed", `${name.replace("/", "-")}-${version}`);
  if (existsSync(join(place, "node_modules", name, "package.json"))) return place;
  mkdirSync(place, { recursive: true });
  const options = ["--no-save", "--no-package-lock", "--no-audit", "--prefix", place];
  const { code, output } = await run("npm", ["install", ...options, `${name}@${version}`]);
  if (code !== 0) throw new Error(`${name} ${version} cannot be installed:\n${output}`);
  return place;
}
