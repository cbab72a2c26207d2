import { Modules } from "../contract/container.ts";
import type { Issue } from "../contract/issue.ts";
import { describe } from "../values/arguments.ts";
import { checkInbox, isRecord, unknownKeys } from "./check-config.ts";
import { configError } from "./config-error.ts";
import type { BusbarConfig, ModuleConfig } from "./config.ts";

/** The module that is used when none is configured. */
export const defaultModule = "@busbar/local";

const moduleKeys: readonly string[] = ["eventBus", Modules.EVENT_BUS];

/** One entry of `modules`, and where it stands. */
interface PlacedEntry {
  readonly entry: unknown;
  readonly path: string;
}

/**
 * Picks the event module out of `modules`, in either form; undefined when there is none that is
 * not disabled.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when an entry is malformed, or when there are several.
 */
export function selectModule(
  modules: BusbarConfig["modules"],
  file: string | undefined,
): ModuleConfig | undefined {
  const placed = modules === undefined ? [] : placeEntries(modules);
  const issues = placed.flatMap(checkEntry);
  if (isRecord(modules)) issues.push(...unknownKeys(modules, moduleKeys, "modules"));
  if (issues.length > 0) throw configError({ file, issues });
  const enabled = placed
    .map(({ entry }) => entry as ModuleConfig)
    .filter((entry) => entry.disable !== true);
  if (enabled.length > 1) {
    const names = enabled.map((entry) => `"${moduleName(entry)}"`).join(" and ");
    const reason = `there can be one event module, not ${names}: remove or disable the others`;
    throw configError({ file, issues: [{ path: "modules", reason }] });
  }
  return enabled[0];
}

/** What to call a module in messages: as it is written in the configuration, or its own name. */
export function moduleName(entry: ModuleConfig): string {
  return typeof entry.resolve === "string" ? entry.resolve : String(entry.resolve.name);
}

function placeEntries(modules: NonNullable<BusbarConfig["modules"]>): PlacedEntry[] {
  if (Array.isArray(modules)) {
    return modules.map((entry: unknown, index) => ({ entry, path: `modules[${index}]` }));
  }
  return Object.entries(modules)
    .filter(([key, entry]) => moduleKeys.includes(key) && entry !== undefined)
    .map(([key, entry]) => ({ entry, path: `modules.${key}` }));
}

function checkEntry({ entry, path }: PlacedEntry): readonly Issue[] {
  if (!isRecord(entry)) {
    return [{ path, reason: `must be an object with \`resolve\`, not ${describe(entry)}` }];
  }
  const { resolve, key, disable, inbox } = entry;
  const issues = unknownKeys(entry, ["resolve", "options", "inbox", "key", "disable"], path);
  if (!isRecord(resolve) && (typeof resolve !== "string" || resolve === "")) {
    const reason = `must be a package name, a path or a module, not ${describe(resolve)}`;
    issues.push({ path: `${path}.resolve`, reason });
  }
  if (inbox !== undefined) issues.push(...checkInbox(inbox, `${path}.inbox`));
  if (key !== undefined && !moduleKeys.includes(key as string)) {
    const reason = `must be "${moduleKeys.join('" or "')}", not ${JSON.stringify(key)}`;
    issues.push({ path: `${path}.key`, reason });
  }
  if (disable !== undefined && typeof disable !== "boolean") {
    issues.push({ path: `${path}.disable`, reason: `must be a boolean, not ${describe(disable)}` });
  }
  return issues;
}
