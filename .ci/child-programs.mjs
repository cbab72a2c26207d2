import { build } from "esbuild";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { cache } from "./lib.mjs";

/** Names the folder that all processes of one test run share, so that each program is bundled once. */
const FOLDER = "BUSBAR_TEST_PROGRAMS";

/** What the conformance suite runs in the processes that it kills. */
const CHILD = new URL("../packages/conformance/src/child/child-main.ts", import.meta.url);

/** For packages in CommonJS, which require what Node has. */
const REQUIRE =
  'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);';

/** Leaves database drivers where they are: some have a binary. */
const driversStay = {
  name: "drivers-stay",
  setup({ onResolve }) {
    onResolve({ filter: /^(pg|libsql|better-sqlite3)$/ }, ({ path, importer }) => ({
      path: pathToFileURL(createRequire(importer).resolve(path)).href,
      external: true,
    }));
  },
};

/** @returns {{ env: Record<string, string>, remove: () => void }} */
export function provideProgramFolder() {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "programs-"));
  return {
    env: { [FOLDER]: folder },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** @param {readonly URL[]} sources */
export async function bundlePrograms(...sources) {
  const names = sources.map((source, index) => `${index}-${parse(source.pathname).name}`);
  const key = createHash("sha256").update(sources.join("\n")).digest("hex").slice(0, 16);
  const folder = join(sharedFolder() ?? ownFolder(), key);
  if (!existsSync(folder)) {
    const draft = `${folder}-${randomUUID()}`;
    await build({
      entryPoints: sources.map((source, index) => ({
        in: fileURLToPath(source),
        out: names[index],
      })),
      outdir: draft,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      target: "node20",
      keepNames: true,
      conditions: ["@busbar/source"],
      plugins: [driversStay],
      banner: { js: REQUIRE },
      logLevel: "error",
    });
    moveUnlessThere(draft, folder);
  }
  return names.map((name) => pathToFileURL(join(folder, `${name}.mjs`)));
}

function sharedFolder() {
  return process.env[FOLDER];
}

/** For a test file that runs without the others. */
function ownFolder() {
  const folder = mkdtempSync(join(tmpdir(), "busbar-programs-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Another process may have bundled the same program at the same time. */
function moveUnlessThere(draft, folder) {
  try {
    renameSync(draft, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(draft, { recursive: true });
  }
}

/** @param {URL} module */
export async function bundledChild(module) {
  const [main, bundled] = await bundlePrograms(CHILD, module);
  return { module: bundled, execArgv: ["--import", asModule(redirect(CHILD, main))] };
}

/** What makes Node run another file than the one that it is told to run. */
function redirect(from, to) {
  const [asked, given] = [from.href, to.href].map((href) => JSON.stringify(href));
  const hooks = `export const resolve = (name, context, next) =>
    name === ${asked} ? { url: ${given}, shortCircuit: true } : next(name, context);`;
  return `import { register } from "node:module"; register(${JSON.stringify(asModule(hooks))});`;
}

function asModule(text) {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}
