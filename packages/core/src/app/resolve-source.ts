import { existsSync, readFileSync, type Stats, statSync } from "node:fs";
import module from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { moduleResolve } from "import-meta-resolve";
import { memberOf } from "../errors/thrown.ts";
import { messageOf } from "./config-error.ts";
import { candidates, isTypeScript, type Places, sourceExtension } from "./places.ts";

/** Whether a module specifier is a path rather than a package name. */
export function isPathSpecifier(specifier: string): boolean {
  return /^(?:\.{1,2}(?:[\\/]|$)|file:)/.test(specifier) || path.isAbsolute(specifier);
}

/**
 * Finds the file behind a path: the file itself, one that differs in extension only (so that
 * `./bus.ts` is found as `bus.js` once compiled), or the entry of a directory: the `main` of its
 * `package.json`, else its index file. Undefined when there is none.
 */
export function findSourceFile(specifier: string, places: Places): string | undefined {
  const { extensions } = places;
  for (const target of candidates(specifier, places)) {
    const found = fileOrEntry(target, extensions) ?? sameStem(target, extensions);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Finds the directory behind a path. Where there is none, the path that is preferred. */
export function findDirectory(specifier: string, places: Places): string {
  const found = candidates(specifier, places);
  return found.find((directory) => statsOf(directory)?.isDirectory()) ?? found[0]!;
}

/**
 * Resolves a package as `import` would in a file in one of the directories, the first that has it.
 *
 * @throws Node's own errors, such as `ERR_MODULE_NOT_FOUND`.
 */
export function resolvePackage(specifier: string, directories: readonly string[]): URL {
  let missing: unknown;
  for (const directory of directories) {
    try {
      return resolveFrom(specifier, path.join(directory, "busbar.config.js"));
    } catch (error) {
      if (memberOf(error, "code") !== "ERR_MODULE_NOT_FOUND") throw error;
      missing ??= error;
    }
  }
  throw missing;
}

function resolveFrom(specifier: string, file: string): URL {
  const conditions = activeConditions();
  const pnp = pnpOf(file);
  if (pnp === undefined) return moduleResolve(specifier, pathToFileURL(file), conditions);
  try {
    return pathToFileURL(pnp.resolveRequest(specifier, file, { conditions }) ?? specifier);
  } catch (cause) {
    if (memberOf(cause, "code") !== "MODULE_NOT_FOUND") throw cause;
    throw Object.assign(new Error(messageOf(cause), { cause }), { code: "ERR_MODULE_NOT_FOUND" });
  }
}

/** What Yarn's Plug'n'Play offers of its resolution. There is no `node_modules` to look into. */
interface PnpApi {
  resolveRequest(
    request: string,
    issuer: string,
    options: { readonly conditions: ReadonlySet<string> },
  ): string | null;
}

function pnpOf(file: string): PnpApi | undefined {
  const { findPnpApi } = module as { readonly findPnpApi?: (file: string) => PnpApi | null };
  return findPnpApi?.(file) ?? undefined;
}

/** Compiled files go before sources if extensions say so, even if the path names the source. */
function fileOrEntry(target: string, extensions: readonly string[]): string | undefined {
  const stats = statsOf(target);
  if (stats?.isDirectory()) return directoryEntry(target, extensions);
  if (!stats?.isFile()) return undefined;
  const isSource = isTypeScript(target) && !isTypeScript(extensions[0]!);
  return isSource ? sameStem(target, extensions) : target;
}

function sameStem(target: string, extensions: readonly string[]): string | undefined {
  const stem = target.replace(sourceExtension, "");
  return firstFile(extensions.map((extension) => stem + extension));
}

function directoryEntry(directory: string, extensions: readonly string[]): string | undefined {
  const manifest = path.join(directory, "package.json");
  const main = existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, "utf8")) as { main?: unknown }).main
    : undefined;
  const named = typeof main === "string" ? [path.resolve(directory, main)] : [];
  return firstFile([
    ...named,
    ...extensions.map((extension) => path.join(directory, `index${extension}`)),
  ]);
}

function firstFile(files: readonly string[]): string | undefined {
  return files.find((file) => statsOf(file)?.isFile());
}

function statsOf(target: string): Stats | undefined {
  return statSync(target, { throwIfNoEntry: false });
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
