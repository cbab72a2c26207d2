// Writes the JavaScript of `dist/`, or of the folder that is given; tsc writes the types. All that `@busbar/core` loads
// is one file, because every file takes Node a while: see docs/decisions/0036-one-file-to-load.md.
import { copyFileSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { rolldown } from "rolldown";

const root = import.meta.dirname;
const folder = resolve(process.argv[2] ?? join(root, "dist"));
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const main = exports["."]["@busbar/source"];
const entries = Object.values(exports).flatMap((entry) => entry["@busbar/source"] ?? []);

const kernel = await loadedBy(main);
const bundle = await rolldown(optionsFor(entries));
await bundle.write({
  dir: folder,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name].js",
  codeSplitting: { groups: [{ name: "kernel", test: (module) => kernel.has(module) }] },
  // Names in a stack trace are those of the sources.
  minify: false,
  minifyInternalExports: false,
  sourcemap: true,
  // They are in the package.
  sourcemapExcludeSources: true,
});
await bundle.close();
// `source-loader.ts` looks for it next to itself.
copyFileSync(join(root, "src/app/more-than-types.mts"), join(folder, "chunks/more-than-types.mts"));

function optionsFor(input) {
  return {
    cwd: root,
    input,
    platform: "node",
    // Packages are imported by name, our own files by path.
    external: /^[\w@]/,
    transform: { target: "node20.19" },
  };
}

/** The files that an entry imports, and those that they import, but for what they import on demand. */
async function loadedBy(entry) {
  const bundle = await rolldown(optionsFor(entry));
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const loaded = new Set(output.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName));
  for (const fileName of loaded) {
    for (const name of chunks.get(fileName).imports) if (chunks.has(name)) loaded.add(name);
  }
  return new Set([...loaded].flatMap((fileName) => chunks.get(fileName).moduleIds));
}
