// Prints the figures of the code, of all packages or of those that are named: `pnpm figures core redis`. A report, which
// fails for nothing: what has a limit has a gate. Needs `pnpm build`.
import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseSync } from "oxc-parser";
import { filesIn, publishedPackages, root, run } from "./lib.mjs";

const STARTS = 15;

const wanted = process.argv.slice(2);
const packages = publishedPackages().filter(
  ({ path }) => wanted.length === 0 || wanted.includes(basename(path)),
);
const rows = packages.map(({ path }) => {
  const sources = linesOf(join(path, "src"));
  const tests = linesOf(join(path, "test"));
  const cycles = inCycles(join(path, "src"));
  return [
    basename(path),
    sources.length,
    sum(sources),
    median(sources),
    Math.max(...sources),
    sum(tests),
    (sum(tests) / sum(sources)).toFixed(2),
    cycles.values.length,
    cycles.all.length,
  ];
});
const head = "package,files,lines,median,longest,test lines,tests : source,in cycles,with types";
print([head.split(","), ...rows]);

if (packages.some(({ path }) => basename(path) === "core")) {
  const entry = join(root, "packages/core/src/index.ts");
  const { module } = parseSync(entry, readFileSync(entry, "utf8"));
  const names = module.staticExports.reduce((count, { entries }) => count + entries.length, 0);
  console.log(`\n@busbar/core has ${names} names, and loads ${await filesLoaded()} files`);
  const [alone, imported] = [await startMs(""), await startMs(`import "@busbar/core";`)];
  console.log(
    `A process that imports it takes ${imported} ms of CPU time on Node ${process.versions.node}, Node alone ${alone} ms; others: pnpm bench cold-start`,
  );
  const way = await node(["--enable-source-maps", ".ci/way-of-an-event.mjs"]);
  console.log(`An event and its delivery on the local provider: ${way.split("\n").at(-1)}`);
}

/** The lines of each TypeScript file of a folder. */
function linesOf(folder) {
  return filesIn(folder)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(folder, file), "utf8").split("\n").length - 1);
}

/** The files that import themselves, by way of others: in the built code, and with imports of types. */
function inCycles(folder) {
  const files = filesIn(folder).filter((file) => file.endsWith(".ts"));
  const imports = new Map(files.map((file) => [join(folder, file), importsOf(join(folder, file))]));
  const cyclic = (isFollowed) =>
    [...imports.keys()].filter((file) => {
      const reached = new Set();
      const next = [file];
      for (const from of next) {
        for (const { to, isType } of imports.get(from) ?? []) {
          if (reached.has(to) || !isFollowed(isType)) continue;
          reached.add(to);
          next.push(to);
        }
      }
      return reached.has(file);
    });
  return { values: cyclic((isType) => !isType), all: cyclic(() => true) };
}

function importsOf(file) {
  const { module } = parseSync(file, readFileSync(file, "utf8"));
  const entries = [
    ...module.staticImports.map(({ moduleRequest, entries: names }) => [moduleRequest, names]),
    ...module.staticExports.flatMap(({ entries: names }) =>
      names.map((name) => [name.moduleRequest, [name]]),
    ),
  ];
  return entries
    .filter(([request]) => request?.value.startsWith("."))
    .map(([request, names]) => ({
      to: resolve(dirname(file), request.value),
      isType: names.length > 0 && names.every(({ isType }) => isType),
    }));
}

/** How many files of ours an import of core loads. */
async function filesLoaded() {
  const hooks = `export async function load(url, context, next) {
    if (url.startsWith("file:")) (await import("node:fs")).writeSync(1, url + "\\n");
    return next(url, context);
  }`;
  const program = `import { register } from "node:module";
    register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hooks)}));
    await import("@busbar/core");`;
  return (await node(["--input-type=module", "--eval", program], "packages/benchmark")).split("\n")
    .length;
}

/** Milliseconds of CPU time that a process takes until its imports are loaded, Node itself included. */
async function startMs(imports) {
  const program = `${imports} const { user, system } = process.cpuUsage(); console.log(user + system);`;
  const times = [];
  for (let start = 0; start < STARTS; start++) {
    const args = ["--input-type=module", "--eval", program];
    times.push(Number(await node(args, "packages/benchmark")));
  }
  return Math.round(median(times) / 1_000);
}

/** What a program prints. */
async function node(args, folder = ".") {
  const { code, stdout, output } = await run(process.execPath, args, { cwd: join(root, folder) });
  if (code !== 0) throw new Error(output);
  return stdout.trimEnd();
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

function print(table) {
  const widths = table[0].map((_, column) =>
    Math.max(...table.map((row) => String(row[column]).length)),
  );
  for (const row of table) {
    console.log(row.map((cell, column) => String(cell).padStart(widths[column])).join("  "));
  }
}
