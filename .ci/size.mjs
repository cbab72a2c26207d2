// What an application downloads for an entry point, bundled, minified, gzipped; and how much an author
// writes for a durable provider; and how many names applications choose from.
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { parseSync } from "oxc-parser";
import { filesIn, finish, root } from "./lib.mjs";

const external = ["awilix", "tsx", "node:*"];
const core = "packages/core/src/index.ts";
const budgets = [
  // Who makes a bus does not pay for the application around it: modules have no side effects.
  {
    what: "@busbar/core, the bus",
    entry: core,
    names: ["createEventBus"],
    bytes: 43_300,
    external,
  },
  { what: "@busbar/core, all of it", entry: core, names: ["*"], bytes: 46_200, external },
  // Receivers load nothing else: what it imports must be its own.
  {
    what: "@busbar/webhooks/verify",
    entry: "packages/webhooks/src/verify.ts",
    names: ["*"],
    bytes: 4_000,
    external: [],
    platform: "neutral",
  },
];

const problems = [];
const sizes = [];
for (const { what, entry, names, bytes, external: left, platform = "node" } of budgets) {
  const imported = names.includes("*") ? "*" : `{ ${names.join(", ")} }`;
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `export ${imported} from ${JSON.stringify(join(root, entry))}`,
      resolveDir: root,
    },
    bundle: true,
    minify: true,
    format: "esm",
    platform,
    target: "node20",
    conditions: ["@busbar/source"],
    external: left,
    // What is imported on demand is not loaded with the entry.
    splitting: true,
    outdir: join(root, ".cache/size"),
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const loaded = loadedWith("stdin.js", metafile.outputs);
  // Together, as they are one file of the package: how esbuild divides what is also loaded later is no matter.
  const contents = outputFiles.filter(({ path }) => loaded.has(basename(path)));
  const size = gzipSync(Buffer.concat(contents.map((file) => file.contents)), { level: 9 }).length;
  const line = `${what}: ${size} of ${bytes} bytes`;
  sizes.push(line);
  if (size > bytes) problems.push(`${line}: over its budget by ${size - bytes}`);
}

// The whole dashboard, as a browser that opens every page gets it.
const page = { folder: "packages/dashboard/dist/page", bytes: 150_000 };
const pageSize = filesIn(join(root, page.folder))
  .filter((name) => /\.(html|js|css|svg)$/.test(name))
  .map((name) => gzipSync(readFileSync(join(root, page.folder, name)), { level: 9 }).length)
  .reduce((sum, size) => sum + size, 0);
const pageLine = `${page.folder}: ${pageSize} of ${page.bytes} bytes`;
sizes.push(pageLine);
if (pageSize === 0) problems.push(`${page.folder} is empty: build the packages first`);
if (pageSize > page.bytes) problems.push(`${pageLine}: the page must stay this small`);

// If it takes more than this, the contract or core is at fault: see docs/decisions/0015-*.md.
const example = { folder: "examples/custom-module/src", lines: 322 };
const written = readdirSync(join(root, example.folder), { recursive: true })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => readFileSync(join(root, example.folder, name), "utf8").split("\n").length - 1)
  .reduce((sum, lines) => sum + lines, 0);
const line = `${example.folder}: ${written} of ${example.lines} lines`;
sizes.push(line);
if (written > example.lines) problems.push(`${line}: a provider must stay this small`);

// What authors of providers and plugins need is in entries of their own.
const most = 106;
const { module } = parseSync(core, readFileSync(join(root, core), "utf8"));
const exported = module.staticExports.reduce((sum, { entries }) => sum + entries.length, 0);
const names = `${core}: ${exported} of ${most} names`;
sizes.push(names);
if (exported > most) problems.push(`${names}: move some to another entry`);
finish(problems, sizes.join(", "));

/** The names of an output and of all that it imports statically. */
function loadedWith(entry, outputs) {
  const byName = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output]));
  const loaded = new Set([entry]);
  for (const name of loaded) {
    for (const { path, kind } of byName.get(name).imports) {
      if (kind === "import-statement" && byName.has(basename(path))) loaded.add(basename(path));
    }
  }
  return loaded;
}
