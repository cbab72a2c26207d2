// What the sources of packages may import, beyond what `turbo boundaries` checks.
import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { parseSync } from "oxc-parser";
import { filesIn, finish, publishedPackages, workspace } from "./lib.mjs";

const workspaceNames = workspace().map(({ manifest }) => manifest.name);

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
    /(^|\/)dist(\/|$)/.test(specifier) && "imports built files: import the package by name",
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
    (own === "@busbar/core" || name !== "@busbar/core") &&
    "breaks the direction: arrows point to @busbar/core only",
  ({ name, own, source, file }) =>
    own === "@busbar/core" &&
    name === "awilix" &&
    !file.startsWith(join(source, "container") + sep) &&
    "imports awilix outside src/container/",
];

const problems = [];
let count = 0;
for (const { folder, path, manifest } of publishedPackages()) {
  const source = join(path, "src");
  for (const relative of filesIn(source).filter((name) => /\.[cm]?tsx?$/.test(name))) {
    const file = join(source, relative);
    const text = readFileSync(file, "utf8");
    count += 1;
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

function packageName(specifier) {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}
