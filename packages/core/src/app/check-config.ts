import { isServiceResolver } from "./container.ts";
import { Modules } from "../contract/container.ts";
import type { Issue } from "../contract/issue.ts";
import { checkSubscriptionDefaults } from "../deliver/policy.ts";
import { busOptionIssues } from "../event-bus.ts";
import {
  anything,
  describe,
  type OptionIssue,
  optionIssues,
  unknownKeyReason,
} from "../values/arguments.ts";
import { configError } from "./config-error.ts";
import type { BusbarConfig } from "./config.ts";
import { isRole, roleReason } from "./role.ts";

type Check = (value: unknown, path: string) => readonly Issue[];

const checks: Record<keyof BusbarConfig, Check> = {
  name: rule(
    (value) => typeof value === "string" && /^[\w.-]{1,100}$/.test(value),
    "must be a string of 1 to 100 letters, digits, ., _ and -",
  ),
  modules: rule((value) => typeof value === "object", "must be an array or an object"),
  subscribers: (value, path) =>
    Array.isArray(value)
      ? value.flatMap((entry, index) => checkSubscribers(entry, `${path}[${index}]`))
      : checkSubscribers(value, path),
  plugins: checkPlugins,
  inbox: checkInbox,
  middleware: rule(
    (value) => Array.isArray(value) && value.every(isFunction),
    "must be an array of functions",
  ),
  schedules: rule(isRecord, "must be an object of schedules by their ids"),
  bus: (value, path) => issuesAt(path, busOptionIssues(value)),
  events: rule(
    (value) => isRecord(value) && isRecord(value["schemas"]) && isFunction(value["check"]),
    "must be a catalogue made by defineEvents",
  ),
  role: (value, path) => (isRole(value) ? [] : [{ path, reason: roleReason(value) }]),
  logger: rule(
    (value) =>
      value === false ||
      (isRecord(value) &&
        ["debug", "info", "warn", "error"].every((level) => isFunction(value[level]))),
    "must have the methods debug, info, warn and error, or be false",
  ),
  services: checkServices,
  root: rule(isPath, "must be a directory"),
};

/**
 * Checks a configuration, and reports everything that is wrong with it at once. What is in `modules` is checked
 * when the event module is looked for.
 */
export function checkConfig(config: unknown, file?: string): BusbarConfig {
  if (!isRecord(config)) {
    const reason = `must be an object made by defineConfig, not ${describe(config)}`;
    throw configError({ file, issues: [{ path: "", reason }] });
  }
  const issues = unknownKeys(config, Object.keys(checks), "");
  for (const [key, check] of Object.entries(checks)) {
    const value = config[key];
    if (value !== undefined) issues.push(...check(value, key));
  }
  if (issues.length > 0) throw configError({ file, issues });
  return config;
}

/** Whether a value is an object that is not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An issue for each key that is not among the known ones. */
export function unknownKeys(value: object, known: readonly string[], path: string): Issue[] {
  return Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => ({
      path: path === "" ? key : `${path}.${key}`,
      reason: unknownKeyReason(key, known),
    }));
}

/** What is wrong with options, by where they stand. */
export function issuesAt(path: string, issues: readonly OptionIssue[]): Issue[] {
  return issues.map((issue) => ({ path: [path, ...issue.path].join("."), reason: issue.reason }));
}

function rule(holds: (value: unknown) => boolean, reason: string): Check {
  return (value, path) =>
    holds(value) ? [] : [{ path, reason: `${reason}, not ${describe(value)}` }];
}

function isPath(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isFolder(value: unknown): boolean {
  return isPath(value) || (value instanceof URL && value.protocol === "file:");
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function checkSubscribers(value: unknown, path: string): readonly Issue[] {
  if (isFolder(value)) return [];
  const source = isRecord(value) && "modules" in value ? "modules" : "folder";
  const isValid = source === "modules" ? isRecord : isFolder;
  if (!isRecord(value) || !isValid(value[source])) {
    const reason = `must be a folder, { folder, defaults }, { modules, defaults }, or an array of these, not ${describe(value)}`;
    return [{ path, reason }];
  }
  const its = { [source]: anything, defaults: checkSubscriptionDefaults };
  return issuesAt(path, optionIssues(value, its));
}

/** What is wrong with the store of an inbox, if anything. */
export function checkInbox(value: unknown, path: string): readonly Issue[] {
  if (isRecord(value) && isFunction(value["createInbox"])) return [];
  const reason = `must be a store of @busbar/outbox, such as pgStore({ pool }), not ${describe(value)}`;
  return [{ path, reason }];
}

function checkPlugins(value: unknown, path: string): readonly Issue[] {
  if (!Array.isArray(value)) return [{ path, reason: `must be an array, not ${describe(value)}` }];
  return value.flatMap((plugin: unknown, index) =>
    isRecord(plugin) && isPath(plugin["name"])
      ? []
      : [
          {
            path: `${path}[${index}]`,
            reason: "must be a plugin with a name, made by definePlugin",
          },
        ],
  );
}

function checkServices(value: unknown, path: string): readonly Issue[] {
  if (!isRecord(value)) return [{ path, reason: `must be an object, not ${describe(value)}` }];
  const reserved: Record<string, string> = {
    [Modules.EVENT_BUS]: "is the bus itself",
    logger: "is registered already: give it as `logger` of the configuration",
  };
  return Object.entries(value).flatMap(([name, resolver]) => {
    const reason = Object.hasOwn(reserved, name)
      ? reserved[name]!
      : isServiceResolver(resolver)
        ? undefined
        : "must be made by asValue, asFunction or asClass";
    return reason === undefined ? [] : [{ path: `${path}.${name}`, reason }];
  });
}
