import path from "node:path";
import { pathToFileURL } from "node:url";
import { memberOf } from "../errors/thrown.ts";
import { messageOf } from "./config-error.ts";
import { inProduction, isTypeScript } from "./places.ts";
import { resolvePackage } from "./resolve-source.ts";
import { type Import, importOfTestRunner } from "./test-runner.ts";

/** The exports of a loaded file, by name. */
export type SourceExports = Readonly<Record<string, unknown>>;

/** Imports files of the application, TypeScript too. */
export interface SourceLoader {
  /**
   * Imports a file or resolved module, through Node's own module cache, or that of the test runner: what
   * the application has imported itself is the same copy.
   *
   * @throws Error what the file throws when it is imported; for TypeScript that cannot be loaded
   *   here, an error that says what to do.
   */
  load(url: URL): Promise<SourceExports>;
}

/**
 * Makes a loader. A test runner imports everything itself. Elsewhere, in development, the loader registers `tsx`
 * before the first TypeScript file, unless Node, or a loader that is there already, can load TypeScript. In
 * production it registers nothing.
 *
 * @param directories - Where `tsx` is looked for first; then beside this package.
 */
export function createSourceLoader(directories: readonly string[]): SourceLoader {
  let runner: Promise<Import | undefined> | undefined;
  let prepared: Promise<void> | undefined;
  return {
    async load(url) {
      const importByRunner = await (runner ??= importOfTestRunner(directories));
      if (importByRunner !== undefined) return unwrap((await importByRunner(url)) as SourceExports);
      // Node remembers a failed import for ever, so a loader must be there before the first attempt.
      if (isTypeScript(url.pathname) && !inProduction()) {
        await (prepared ??= prepareTypeScript(directories));
      }
      try {
        return unwrap(await importUrl(url));
      } catch (error) {
        throw isUnknownTypeScript(error) ? compileError(url, error) : error;
      }
    },
  };
}

async function importUrl(url: URL): Promise<SourceExports> {
  return (await import(/* @vite-ignore */ url.href)) as SourceExports;
}

/**
 * What a CommonJS file exports is the default export here. If it has `exports.default`, as one that was compiled
 * from `export default` has, this is meant.
 */
function unwrap(exports: SourceExports): SourceExports {
  const inner = exports["default"];
  const isInterop = typeof inner === "object" && inner !== null && "default" in inner;
  return isInterop ? (inner as unknown as SourceExports) : exports;
}

async function prepareTypeScript(directories: readonly string[]): Promise<void> {
  const { ownDirectory } = await import("./own-directory.ts");
  // A bundle does not know where it is.
  const own = ownDirectory ?? directories[0]!;
  if (await canLoadTypeScript(own)) return;
  let urls: readonly URL[];
  try {
    const places = [...directories, own];
    urls = ["tsx/cjs/api", "tsx/esm/api"].map((name) => resolvePackage(name, places));
  } catch {
    return;
  }
  for (const url of urls) {
    const { register } = (await importUrl(url)) as { register: () => unknown };
    register();
  }
}

/**
 * Imports a file that is more than types: Node's own type stripping rejects the file, and a loader does
 * not. The file is part of the package, because watch modes restart the process when a file changes.
 */
async function canLoadTypeScript(own: string): Promise<boolean> {
  // Node loads no TypeScript of an installed package, whatever it was told to load.
  const { typescript } = process.features as { readonly typescript?: unknown };
  if (typescript === "transform") return true;
  try {
    await importUrl(pathToFileURL(path.join(own, "more-than-types.mts")));
    return true;
  } catch {
    return false;
  }
}

function isUnknownTypeScript(error: unknown): boolean {
  const code = memberOf(error, "code");
  // Node's type stripping has met what is not just types.
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") return true;
  return code === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[mc]?tsx?\b/.test(messageOf(error));
}

function compileError(url: URL, cause: unknown): Error {
  const advice = inProduction()
    ? "TypeScript is not compiled in production: compile it, and deploy the JavaScript"
    : isTypeScript(url.pathname)
      ? 'install tsx ("npm install --save-dev tsx"), or compile it to JavaScript'
      : "it imports TypeScript: start with `node --import tsx`, or compile it to JavaScript";
  return new Error(`${messageOf(cause)}: ${advice}`, { cause });
}
