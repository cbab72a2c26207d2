import { pathToFileURL } from "node:url";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { EventModule, ModuleDependencies } from "../contract/event-module.ts";
import type { EventProvider } from "../contract/provider.ts";
import type { Issue } from "../contract/issue.ts";
import { withoutValues } from "../events/schema-issues.ts";
import { describe } from "../values/arguments.ts";
import { isRecord } from "./check-config.ts";
import {
  configError,
  type ConfigMistake,
  displayPath,
  messageOf,
  whyNotLoaded,
} from "./config-error.ts";
import type { ModuleConfig } from "./config.ts";
import { type Places, uncompiledReason } from "./places.ts";
import { findSourceFile, isPathSpecifier, resolvePackage } from "./resolve-source.ts";
import { defaultModule, moduleName } from "./select-module.ts";
import type { SourceLoader } from "./source-loader.ts";

/** Where a module is looked for, and with what it is loaded. */
export interface ModuleSource {
  /** Where packages and paths are looked for. */
  readonly places: Places;
  /** The configuration file, if there is one. */
  readonly file: string | undefined;
  readonly loader: SourceLoader;
}

/** A module that was loaded, and whose options were found valid. */
export interface LoadedModule {
  readonly name: string;
  /** Calls the module's `provider` with the output of its options schema. */
  createProvider(dependencies: ModuleDependencies): Promise<EventProvider>;
}

/**
 * Loads the configured module, `@busbar/local` when there is none, and validates its options.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` that names module, file and reason.
 */
export async function loadModule(
  entry: ModuleConfig | undefined,
  source: ModuleSource,
): Promise<LoadedModule> {
  const config = entry ?? { resolve: defaultModule };
  const name = moduleName(config);
  const fail = (reason: string, more?: Partial<ConfigMistake>) =>
    configError({ module: name, file: source.file, issues: [{ path: "", reason }], ...more });

  const exported =
    typeof config.resolve === "string"
      ? await importModule(config.resolve, source, entry === undefined, fail)
      : config.resolve;
  const mistake = moduleMistake(exported);
  if (mistake !== undefined) throw fail(mistake);
  const module = exported as EventModule;
  const options = await validateOptions(module, config.options, fail);

  return {
    name,
    async createProvider(dependencies) {
      let provider: unknown;
      try {
        provider = await module.provider(options, dependencies);
      } catch (cause) {
        throw fail(`its provider function failed: ${messageOf(cause)}`, { cause });
      }
      const missing = missingParts(provider);
      if (missing.length === 0) return provider as EventProvider;
      throw fail(`what its provider function returned is no EventProvider: ${missing.join(", ")}`);
    },
  };
}

function displayPlaces({ directories }: Places): string {
  return directories.map(displayPath).join(", ");
}

type Fail = (reason: string, more?: Partial<ConfigMistake>) => Error;

async function importModule(
  specifier: string,
  source: ModuleSource,
  isDefault: boolean,
  fail: Fail,
): Promise<unknown> {
  const url = isPathSpecifier(specifier)
    ? resolvePath(specifier, source, fail)
    : resolveName(specifier, source, isDefault, fail);
  try {
    return (await source.loader.load(url))["default"];
  } catch (cause) {
    throw fail(`cannot be loaded: ${whyNotLoaded(cause)}`, { cause });
  }
}

function resolvePath(specifier: string, source: ModuleSource, fail: Fail): URL {
  let found: string | undefined;
  try {
    found = findSourceFile(specifier, source.places);
  } catch (cause) {
    throw fail(`cannot be resolved: ${messageOf(cause)}`, { cause });
  }
  if (found !== undefined) {
    const mistake = uncompiledReason(source.places, found);
    if (mistake !== undefined) throw fail(mistake);
    return pathToFileURL(found);
  }
  throw fail(
    `there is no such file, nor a directory with an index file, in ${displayPlaces(source.places)}`,
  );
}

function resolveName(specifier: string, source: ModuleSource, isDefault: boolean, fail: Fail): URL {
  try {
    return resolvePackage(specifier, source.places.directories);
  } catch (cause) {
    const code = isRecord(cause) ? cause["code"] : undefined;
    if (code !== "ERR_MODULE_NOT_FOUND") {
      throw fail(`cannot be resolved: ${messageOf(cause)}`, { cause });
    }
    const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
    const why = isDefault ? "is used when no event module is configured, but " : "";
    const instead = isDefault ? ", or configure an event module in `modules`" : "";
    const reason = `${why}is not installed in ${displayPlaces(source.places)}: run "npm install ${name}"${instead}`;
    throw fail(reason, { cause });
  }
}

/** Why a value is not an event module, if it is none. */
function moduleMistake(value: unknown): string | undefined {
  const advice = "export default defineEventModule({ name, provider })";
  if (value === undefined) return `has no default export: write \`${advice}\``;
  if (!isRecord(value)) return `its default export is ${describe(value)}: write \`${advice}\``;
  if (typeof value["provider"] !== "function") return "its default export has no provider function";
  if (typeof value["name"] !== "string" || value["name"] === "") {
    return "its default export has no name";
  }
  const { options } = value as { options?: unknown };
  if (options !== undefined && !isSchema(options)) return "its options are no Standard Schema";
  return undefined;
}

function isSchema(value: unknown): value is StandardSchemaV1 {
  // Schemas of some libraries are functions.
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = "~standard" in value ? value["~standard"] : undefined;
  return isRecord(standard) && typeof standard["validate"] === "function";
}

async function validateOptions(module: EventModule, given: unknown, fail: Fail): Promise<unknown> {
  if (module.options === undefined) return given;
  let result: StandardSchemaV1.Result<unknown>;
  try {
    result = await module.options["~standard"].validate(given ?? {});
  } catch (cause) {
    throw fail(`options: cannot be validated: ${messageOf(cause)}`, { cause });
  }
  if (result.issues === undefined) return result.value;
  throw fail("", { issues: result.issues.map((issue) => optionIssue(issue, given)) });
}

/** Options hold passwords and URLs: what a schema quotes of them is taken out. */
function optionIssue(issue: StandardSchemaV1.Issue, given: unknown): Issue {
  let path = "options";
  for (const segment of issue.path ?? []) {
    const key = typeof segment === "object" ? segment.key : segment;
    path += typeof key === "number" ? `[${key}]` : `.${String(key)}`;
  }
  return { path, reason: withoutValues(issue.message, given) };
}

const providerParts: readonly (keyof EventProvider)[] = ["start", "publish", "consume", "stop"];

function missingParts(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [`it is ${describe(value)}`];
  const provider = value as Partial<Record<keyof EventProvider, unknown>>;
  const missing: string[] = [];
  if (typeof provider.name !== "string" || provider.name === "") missing.push("no name");
  if (!isRecord(provider.capabilities)) missing.push("no capabilities");
  for (const part of providerParts) {
    if (typeof provider[part] !== "function") missing.push(`no ${part}()`);
  }
  return missing;
}
