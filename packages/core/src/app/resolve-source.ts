import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { moduleResolve } from "import-meta-resolve";

/** Whether this process runs in production, where nothing is compiled on the fly. */
export function inProduction(): boolean {
  return process.env["NODE_ENV"] === "production";
}

/**
 * File extensions in the order in which they are preferred: source first in development, what was
 * compiled from it first in production.
 */
export function sourceExtensions(): readonly string[] {
  return inProduction() ? [".js", ".mjs", ".ts", ".mts"] : [".ts", ".mts", ".js", ".mjs"];
}

/** Whether a module specifier is a path rather than a package name. */
export function isPathSpecifier(specifier: string): boolean {
  return /^(?:\.{1,2}(?:[\\/]|$)|file:)/.test(specifier) || path.isAbsolute(specifier);
}

/**
 * Finds the file behind a path: the file itself, one that differs in extension only (so that
 * `./bus.ts` is found as `bus.js` once compiled), or the entry of a directory: the `main` of its
 * `package.json`, else its index file. Undefined when there is none.
 */
export function findSourceFile(specifier: string, root: string): string | undefined {
  const target = specifier.startsWith("file:")
    ? fileURLToPath(specifier)
    : path.resolve(root, specifier);
  const stats = statSync(target, { throwIfNoEntry: false });
  if (stats?.isFile()) return target;
  if (stats?.isDirectory()) return directoryEntry(target);
  const stem = target.replace(/\.m?[jt]s$/, "");
  return firstFile(sourceExtensions().map((extension) => stem + extension));
}

/**
 * Resolves a package as `import` would in a file in `root`, whatever the conditions of its exports.
 *
 * @throws Node's own errors, such as `ERR_MODULE_NOT_FOUND`.
 */
export function resolvePackage(specifier: string, root: string): URL {
  const parent = pathToFileURL(path.join(root, "busbar.config.js"));
  return moduleResolve(specifier, parent, activeConditions());
}

function directoryEntry(directory: string): string | undefined {
  const manifest = path.join(directory, "package.json");
  const main = existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, "utf8")) as { main?: unknown }).main
    : undefined;
  const candidates = typeof main === "string" ? [path.resolve(directory, main)] : [];
  candidates.push(
    ...sourceExtensions().map((extension) => path.join(directory, `index${extension}`)),
  );
  return firstFile(candidates);
}

function firstFile(candidates: readonly string[]): string | undefined {
  return candidates.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
}

/** Node has no way to ask for them: its own, and those of `--conditions` and `-C`. */
function activeConditions(): Set<string> {
  const conditions = new Set(["node", "import", "module-sync", "node-addons"]);
  const options = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  for (const [index, option] of options.entries()) {
    const [, inline] = /^(?:--conditions|-C)=(.+)$/.exec(option) ?? [];
    const separate = option === "--conditions" || option === "-C" ? options[index + 1] : undefined;
    const condition = inline ?? separate;
    if (condition !== undefined) conditions.add(condition);
  }
  return conditions;
}
