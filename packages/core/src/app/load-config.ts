import { statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { checkConfig } from "./check-config.ts";
import { configError, messageOf } from "./config-error.ts";
import type { BusbarConfig } from "./config.ts";
import { sourceExtensions } from "./resolve-source.ts";
import { createSourceLoader } from "./source-loader.ts";

/** Options of {@link loadConfig}. */
export interface LoadConfigOptions {
  /** The directory to look in. @default process.cwd() */
  readonly root?: string | undefined;
  /** The configuration file, relative to `root`. @default busbar.config.{ts,mts,js,mjs} */
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

/** What `loadConfig` loads once it is called. */
export async function readConfigFile(options: LoadConfigOptions): Promise<LoadedConfig> {
  const directory = path.resolve(options.root ?? ".");
  const file =
    options.file === undefined ? findConfig(directory) : path.resolve(directory, options.file);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw configError({ file, issues: [{ path: "", reason: "there is no such file" }] });
  }
  const config = checkConfig(await importConfig(file), file);
  return { config, file, root: path.resolve(path.dirname(file), config.root ?? ".") };
}

function findConfig(directory: string): string {
  const names = sourceExtensions().map((extension) => `busbar.config${extension}`);
  const file = names
    .map((name) => path.join(directory, name))
    .find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile());
  if (file !== undefined) return file;
  const reason = `there is no ${names.join(", ")} in ${directory}`;
  throw configError({ issues: [{ path: "", reason }] });
}

async function importConfig(file: string): Promise<unknown> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await createSourceLoader(path.dirname(file)).load(pathToFileURL(file));
  } catch (cause) {
    const reason = `cannot be loaded: ${messageOf(cause)}`;
    throw configError({ file, issues: [{ path: "", reason }], cause });
  }
  const config = exports["default"];
  if (config !== undefined) return config;
  const reason = "has no default export: write `export default defineConfig({ … })`";
  throw configError({ file, issues: [{ path: "", reason }] });
}
