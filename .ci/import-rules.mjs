// What the sources of packages may import, beyond what `turbo boundaries` checks.
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { parseSync } from "oxc-parser";
import { filesIn, finish, publishedPackages, workspace } from "./lib.mjs";

const workspaceNames = workspace().map(({ manifest }) => manifest.name);

/** The names of features and providers, which may import `@busbar/sql`. */
const hasDatabase = new Set(
  workspace()
    .filter(({ path }) => tagsOf(path).some((tag) => ["feature", "provider"].includes(tag)))
    .map(({ manifest }) => manifest.name),
);

/**
 * Each rule looks at one import and answers what is wrong with it, or nothing.
 *
 * @type {((use: { specifier: string, name: string, file: string, source: string, own: string }) => string | false | undefined)[]}
 */
const rules = [
  ({ specifier, source, file }) =>
    specifier.startsWith(".") &&
    !resolve(dirname(file), specifier).startsWith(source + sep) &&
    "leaves src/: import other packages by name",
  ({ specifier }) =>
    // BullMQ has no other name for its scripts: see docs/decisions/0016-bullmqs-scripts-as-functions.md.
    !/^bullmq\/dist\/cjs\/(scripts\/index|version)\.js$/.test(specifier) &&
    /(^|\/)dist(\/|$)/.test(specifier) &&
    "imports built files: import the package by name",
  ({ specifier }) =>
    specifier.startsWith(".") &&
    /^(\.{1,2}|index\.[cm]?[jt]s)$/.test(basename(specifier)) &&
    "imports an index.ts: import the file that declares the name",
  ({ specifier }) =>
    specifier.startsWith(".") &&
    !/\.(ts|json)$/.test(specifier) &&
    "has no .ts extension: write the name of the source file",
  ({ name, own }) => name === own && "imports its own package by name: use a relative path",
  ({ name, own }) =>
    workspaceNames.includes(name) &&
    name !== own &&
    !mayImport(own, name) &&
    "breaks the direction: arrows point to @busbar/core, and to @busbar/sql where there is a database",
  ({ name, own, source, file }) =>
    own === "@busbar/core" &&
    name === "awilix" &&
    file !== join(source, "app/container.ts") &&
    "imports awilix outside src/app/container.ts",
  ({ specifier, own, source, file }) =>
    own === "@busbar/webhooks" &&
    roomOf(WEBHOOKS_ROOMS, source, file) === "verify" &&
    !specifier.startsWith(".") &&
    "is imported by what receivers use: it must depend on nothing, so that it runs everywhere",
  ({ specifier, own, source, file }) => {
    const rooms = ROOMS[own];
    if (!rooms || !specifier.startsWith(".")) return false;
    const [from, to] = [file, resolve(dirname(file), specifier)].map((path) =>
      roomOf(rooms, source, path),
    );
    if (from === to || from === BESIDE) return false;
    return !rooms[from]?.includes(to) && `breaks the direction: ${from} does not depend on ${to}`;
  },
];

/** Whether the sources of a package may import another package of ours. */
function mayImport(own, name) {
  if (own === "@busbar/core") return false;
  if (own === "create-busbar") return name === "busbar";
  return name === "@busbar/core" || (name === "@busbar/sql" && hasDatabase.has(own));
}

/** The room of files that are in no folder: what applications and authors import. */
const BESIDE = "src";

/** The folders of core, and those that each stands on, types included. */
const CORE_ROOMS = {
  contract: [],
  errors: ["contract"],
  values: ["contract", "errors"],
  observe: ["contract"],
  causality: ["contract", "errors", "values"],
  provider: ["contract", "errors", "values", "causality"],
  deliver: ["contract", "errors", "values", "observe", "causality", "provider"],
  emit: ["contract", "errors", "values", "observe", "causality", "deliver"],
  groups: ["contract", "errors", "observe", "causality", "emit"],
  admin: ["contract", "errors", "values", "observe", "causality", "provider", "deliver", "emit"],
  operate: [
    "contract",
    "errors",
    "values",
    "observe",
    "causality",
    "provider",
    "deliver",
    "emit",
    "admin",
  ],
  schedules: ["contract", "errors", "values", "causality", "deliver", "emit"],
  lifecycle: [
    "contract",
    "errors",
    "values",
    "observe",
    "causality",
    "provider",
    "deliver",
    "emit",
    "groups",
    "admin",
    "operate",
    "schedules",
    "events",
  ],
  events: ["contract", "errors", "values", "deliver"],
  memory: ["contract", "errors", "values", "causality", "provider", "groups"],
  workflows: ["contract", "errors", "values", "causality", "events"],
  app: ["contract", "errors", "values", "provider", "deliver", "events", BESIDE],
};

/** The folders of redis, and one file beside them, and those that each depends on, types included. */
const REDIS_ROOMS = {
  connection: [],
  "options.ts": ["connection"],
  store: ["connection", "options.ts"],
  registry: ["store"],
  publish: ["store", "registry"],
  "crash-isolation": ["store"],
  consume: ["store", "registry", "crash-isolation"],
  groups: ["store", "registry", "publish"],
  admin: ["store", "registry"],
  schedules: ["store", "publish"],
  rates: ["store", "registry"],
};

/** The folders of webhooks, and one file beside them. Each may depend on those before it, but see below. */
const WEBHOOKS_ORDER = [
  "contract",
  "errors.ts",
  "secrets",
  "signing",
  "http",
  "notifiers",
  "search",
  "filter",
  "store",
  "subscriptions",
  "catalogue",
  "route",
  "deliver",
  "log",
  "replay",
  "rest",
  "testing",
];
const WEBHOOKS_ROOMS = {
  ...Object.fromEntries(
    WEBHOOKS_ORDER.map((room, index) => [room, WEBHOOKS_ORDER.slice(0, index)]),
  ),
  // Receivers run on Deno, Bun and workers: it depends on nothing, not even on Node.
  verify: [],
};

/** The rooms of each package that has them. */
const ROOMS = {
  "@busbar/core": CORE_ROOMS,
  "@busbar/redis": REDIS_ROOMS,
  "@busbar/webhooks": WEBHOOKS_ROOMS,
};

/** The room that a file is in: its folder, or the file itself if that is a room. */
function roomOf(rooms, source, file) {
  const [first, rest] = file.slice(source.length + 1).split(sep);
  return rest === undefined && !(first in rooms) ? BESIDE : first;
}

/**
 * Sources that may look at the wall clock, and what for. Whatever is a duration, a deadline or a timer goes by
 * `clock.monotonic()`; what processes share, by the clock of the server.
 */
const WALL_CLOCK = new Map([
  ["packages/core/src/contract/clock.ts", "is the clock"],
  ["packages/core/src/provider/subscription-list.ts", "is given the clock of the server"],
  ["packages/core/src/operate/operations.ts", "when this instance was seen"],
  ["packages/core/src/lifecycle/bus-runtime.ts", "since when the bus is healthy"],
  ["packages/core/src/admin/clock-watch.ts", "compares it with those of servers"],
  ["packages/core/src/emit/emitter.ts", "createdAt and publishedAt, and the time in ids"],
  ["packages/core/src/groups/group-releaser.ts", "publishedAt"],
  ["packages/core/src/lifecycle/start-and-stop.ts", "since when the bus is healthy"],
  ["packages/core/src/deliver/engine.ts", "when an attempt failed"],
  ["packages/core/src/memory/memory-dead-letters.ts", "diedAt"],
  ["packages/core/src/memory/memory-schedules.ts", "dueAt"],
  ["packages/core/src/memory/waiting-page.ts", "dueAt"],
  ["packages/core/src/operate/tail-feed.ts", "when it happened"],
  ["packages/core/src/groups/memory-group-staging.ts", "stagedAt"],
  ["packages/dashboard/src/audit.ts", "when an action ended"],
  ["packages/dashboard/src/auth/tokens.ts", "sessions end in every process, and across restarts"],
  ["packages/cli/src/dev/dev-process.ts", "shows when something happened"],
  ["packages/cli/src/output/time.ts", "says how long ago something was"],
  ["packages/cli/src/options.ts", "reads a time before now"],
  ["packages/telemetry/src/metrics/recorder.ts", "the lag since publishedAt"],
  ["packages/telemetry/src/metrics/sources.ts", "the age of what waits"],
  ["packages/testing/src/recorder.ts", "when something was recorded"],
  ["packages/testing/src/system-time.ts", "is the clock"],
  ["packages/webhooks/src/verify/verifier.ts", "compares it with the clock of the sender"],
  ["packages/conformance/src/builders.ts", "createdAt and publishedAt"],
  ["packages/conformance/src/set-clock.ts", "is a clock"],
  ["packages/conformance/src/cases/admin.ts", "publishedAt"],
  ["packages/conformance/src/cases/clocks.ts", "createdAt"],
  ["packages/conformance/src/cases/leftovers.ts", "is a clock"],
  ["packages/conformance/src/cases/operate.ts", "writtenAt and dueAt"],
  ["packages/conformance/src/cases/registry.ts", "lastSeenAt"],
  ["packages/conformance/src/cases/schedules.ts", "due"],
  ["packages/conformance/src/cases/settlement.ts", "diedAt"],
]);

/** Packages that are programs: nobody imports them into a test runner that makes CommonJS of packages. */
const PROGRAMS = new Set(
  workspace()
    .filter(({ path }) => tagsOf(path).includes("app"))
    .map(({ folder }) => folder),
);

/** Test runners that make CommonJS of packages load none of these files. */
const IMPORT_META = new Set([
  "packages/core/src/app/own-directory.ts",
  "packages/conformance/src/child/child-process.ts",
  "packages/dashboard/src/http/page-folder.ts",
]);

const problems = [];
let count = 0;
for (const { folder, path, manifest } of publishedPackages()) {
  const source = join(path, "src");
  for (const relative of filesIn(source).filter((name) => /\.[cm]?tsx?$/.test(name))) {
    const file = join(source, relative);
    const text = readFileSync(file, "utf8");
    count += 1;
    if (!WALL_CLOCK.has(`${folder}/src/${relative.split(sep).join("/")}`)) {
      for (const line of wallClockIn(text)) {
        problems.push(
          `${folder}/src/${relative}:${line}: goes by the wall clock: use clock.monotonic()`,
        );
      }
    }
    if (basename(relative) === "version.ts" && !text.includes(`"${manifest.version}"`)) {
      problems.push(`${folder}/src/${relative}: is not the version in package.json`);
    }
    const mayUseMeta = PROGRAMS.has(folder) || IMPORT_META.has(`${folder}/src/${relative}`);
    if (!mayUseMeta && usesImportMeta(file, text)) {
      problems.push(`${folder}/src/${relative}: import.meta cannot become CommonJS, as in Jest`);
    }
    for (const { specifier, offset } of importsOf(file, text)) {
      const name = packageName(specifier);
      for (const rule of rules) {
        const problem = rule({ specifier, name, file, source, own: manifest.name });
        if (!problem) continue;
        const line = text.slice(0, offset).split("\n").length;
        problems.push(`${folder}/src/${relative}:${line}: "${specifier}" ${problem}`);
      }
    }
  }
}
finish(problems, `${count} source files`);

/** Static and dynamic imports, re-exports included; types too. */
function importsOf(file, text) {
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) return [];
  const requests = [
    ...module.staticImports.map((use) => use.moduleRequest),
    ...module.staticExports.flatMap((use) => use.entries.map((entry) => entry.moduleRequest)),
    ...module.dynamicImports.map((use) => ({
      start: use.moduleRequest.start,
      value: text
        .slice(use.moduleRequest.start, use.moduleRequest.end)
        .replaceAll(/^["']|["']$/g, ""),
    })),
  ];
  const uses = requests.filter(Boolean).map(({ value, start }) => [start, value]);
  return [...new Map(uses)].map(([offset, specifier]) => ({ offset, specifier }));
}

function usesImportMeta(file, text) {
  return parseSync(file, text).module.importMetas.length > 0;
}

/** Numbers of the lines, comments aside, that ask the wall clock. */
function wallClockIn(text) {
  return text.split("\n").flatMap((line, index) => {
    const isComment = /^\s*(\*|\/\*|\/\/)/.test(line);
    return !isComment && /\b(Date\.now\b|[cC]lock(\(\))?\.now\b|new Date\(\))/.test(line)
      ? [index + 1]
      : [];
  });
}

/** The tags that the turbo.json of a package has, if it has one. */
function tagsOf(path) {
  const file = join(path, "turbo.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")).tags ?? []) : [];
}

function packageName(specifier) {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}
