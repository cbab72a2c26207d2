import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { displayPath } from "./config-error.ts";

/** Where the relative paths and the packages of an application are looked for. */
export interface Places {
  /** Absolute paths, the preferred one first. There is at least one. */
  readonly directories: readonly string[];
  /** Extensions of source files, the preferred one first. */
  readonly extensions: readonly string[];
  /** The JavaScript file that asks, if the application may be compiled. */
  readonly compiled?: string | undefined;
}

const javascript = [".js", ".mjs", ".cjs"];
const typescript = [".ts", ".mts", ".cts"];

/** The file extension of JavaScript and TypeScript, at the end of a path. */
export const sourceExtension: RegExp = /\.[cm]?[jt]s$/;

/** Whether this process runs in production, where nothing is compiled on the fly. */
export function inProduction(): boolean {
  return process.env["NODE_ENV"] === "production";
}

/** Whether a path or URL is that of a TypeScript file. */
export function isTypeScript(file: string): boolean {
  return /\.[cm]?tsx?$/.test(file);
}

/**
 * Says where to look for what an application names. JavaScript goes before TypeScript in production and if
 * a JavaScript file asks: a compiled application runs what was compiled, never the sources next to it.
 *
 * @param caller - The file that calls `createApp`, if it is known. An application that is compiled to
 *   another folder finds its own files there, so its directory goes first, then those above it, up to
 *   the directory of its package. The working directory is last.
 * @param root - The only directory, if it is given.
 */
export function placesOf(caller: string | undefined, root?: string): Places {
  const compiled = caller === undefined || isTypeScript(caller) ? undefined : caller;
  const prefersCompiled = inProduction() || compiled !== undefined;
  const extensions = prefersCompiled
    ? [...javascript, ...typescript]
    : [...typescript, ...javascript];
  if (root !== undefined) return { directories: [path.resolve(root)], extensions };
  const own = caller === undefined ? [] : directoriesAbove(caller);
  return { directories: [...new Set([...own, process.cwd()])], extensions, compiled };
}

/** The directories that hold a file, from its own to that of its package. */
function directoriesAbove(file: string): readonly string[] {
  const directories: string[] = [];
  let directory = path.dirname(file);
  for (;;) {
    directories.push(directory);
    const above = path.dirname(directory);
    const isPackage = ["package.json", "node_modules"].some((name) =>
      existsSync(path.join(directory, name)),
    );
    if (isPackage || above === directory) return directories;
    directory = above;
  }
}

/**
 * The absolute paths that a path may stand for, the preferred one first. In a compiled application, a path
 * that begins with `src/` also stands for the path without it: the compiler drops `src` if it is its `rootDir`.
 */
export function candidates(specifier: string, places: Places): readonly string[] {
  if (specifier.startsWith("file:")) return [fileURLToPath(specifier)];
  const { directories, compiled } = places;
  const [, inSource] = /^(?:\.[\\/])?src[\\/](.+)$/.exec(specifier) ?? [];
  const names =
    compiled === undefined || inSource === undefined ? [specifier] : [specifier, inSource];
  return [...new Set(directories.flatMap((from) => names.map((name) => path.resolve(from, name))))];
}

/**
 * Says what is wrong if a compiled application is about to run a source: the calling JavaScript file was
 * compiled from a file in a folder above the TypeScript file that was found.
 */
export function uncompiledReason({ compiled }: Places, file: string): string | undefined {
  if (compiled === undefined || !isTypeScript(file)) return undefined;
  const source = sourceOf(compiled, file);
  if (source === undefined) return undefined;
  const [program, origin] = [compiled, source].map(displayPath);
  return `is a source, but ${program} was compiled from ${origin}: compile both, and name the path as new URL("…", import.meta.url).href, or set \`root\``;
}

function sourceOf(compiled: string, file: string): string | undefined {
  const directories = directoriesAbove(file);
  const names = compiled.replace(sourceExtension, "").split(path.sep);
  // The compiler keeps the folders below its `rootDir`: `main`, or `server/main`, or deeper.
  for (let depth = 1; depth < names.length; depth += 1) {
    const name = path.join(...names.slice(-depth));
    for (const directory of directories) {
      const stem = path.join(directory, name);
      const found = typescript
        .map((extension) => stem + extension)
        .find((candidate) => existsSync(candidate));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
