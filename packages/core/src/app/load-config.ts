import { statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { assertOptions, checkText } from "../values/arguments.ts";
import { checkConfig } from "./check-config.ts";
import { configError, whyNotLoaded } from "./config-error.ts";
import type { BusbarConfig } from "./config.ts";
import { type Places, placesOf } from "./places.ts";
import { findSourceFile } from "./resolve-source.ts";
import { createSourceLoader } from "./source-loader.ts";

/** Options of {@link loadConfig}. */
export interface LoadConfigOptions {
  /**
   * The directory to look in. By default the directory of the file that calls this function, then those
   * above it up to its package, then the working directory.
   */
  readonly root?: string | undefined;
  /** The configuration file, relative to `root`. @default busbar.config.{ts,mts,cts,js,mjs,cjs} */
  readonly file?: string | undefined;
}

/** A configuration, and where it comes from. */
export interface LoadedConfig {
  readonly config: BusbarConfig;
  /** The absolute path of its file. */
  readonly file: string;
  /** The absolute path that packages and relative paths are resolved from. */
  readonly root: string;
}

/**
 * What `loadConfig` loads once it is called.
 *
 * @param caller - The file that calls it, if it is known.
 */
export async function readConfigFile(
  options: LoadConfigOptions,
  caller?: string,
): Promise<LoadedConfig> {
  assertOptions("loadConfig()", options, { root: checkText, file: checkText });
  const places = placesOf(caller, options.root);
  const file =
    options.file === undefined ? findConfig(places) : findSourceFile(options.file, places);
  if (file === undefined) {
    const missing = path.resolve(places.directories.at(-1)!, options.file!);
    throw configError({ file: missing, issues: [{ path: "", reason: "there is no such file" }] });
  }
  const config = checkConfig(await importConfig(file), file);
  return { config, file, root: path.resolve(path.dirname(file), config.root ?? ".") };
}

function findConfig({ directories, extensions }: Places): string {
  const file = directories
    .flatMap((directory) =>
      extensions.map((extension) => path.join(directory, `busbar.config${extension}`)),
    )
    .find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile());
  if (file !== undefined) return file;
  const endings = extensions.map((extension) => extension.slice(1)).join(",");
  const reason = `there is no busbar.config.{${endings}} in ${directories.join(", ")}: write one, or give createApp() a configuration`;
  throw configError({ issues: [{ path: "", reason }] });
}

async function importConfig(file: string): Promise<unknown> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await createSourceLoader([path.dirname(file)]).load(pathToFileURL(file));
  } catch (cause) {
    const reason = `cannot be loaded: ${whyNotLoaded(cause)}`;
    throw configError({ file, issues: [{ path: "", reason }], cause });
  }
  const config = exports["default"];
  if (config !== undefined) return config;
  const reason = "has no default export: write `export default defineConfig({ … })`";
  throw configError({ file, issues: [{ path: "", reason }] });
}
