// What the reference of the API has a page for.
import { join } from "node:path";
import { publishedPackages } from "../lib.mjs";

/**
 * The entries of the published packages: the source of each, and the name by which a program imports the entry.
 *
 * @returns {Map<string, string>}
 */
export function entries() {
  const found = new Map();
  for (const { path, manifest } of publishedPackages()) {
    for (const [subpath, entry] of Object.entries(manifest.exports ?? {})) {
      const source = entry?.["@busbar/source"];
      if (typeof source !== "string" || !source.endsWith(".ts")) continue;
      found.set(join(path, source), manifest.name + subpath.slice(1));
    }
  }
  return found;
}
