import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

/** For packages in CommonJS, which require what Node.js has. */
const REQUIRE =
  'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/** How a child process ended, and what it wrote. */
export interface ChildEnd {
  readonly signal: string | null;
  readonly output: string;
  readonly error: string;
}

/**
 * Makes one file of a program, so that many processes of it start fast: with a loader for TypeScript, each
 * takes a second of a processor.
 *
 * @param folder Where the file is put.
 * @returns What runs it with options, to its end.
 */
export async function childProgram(
  source: URL,
  folder: string,
): Promise<(options: object) => Promise<ChildEnd>> {
  const file = join(folder, `${basename(source.pathname, ".ts")}.mjs`);
  await build({
    entryPoints: [fileURLToPath(source)],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["@busbar/source"],
    plugins: [driversStay],
    banner: { js: REQUIRE },
    logLevel: "error",
  });
  return (options) =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [file, JSON.stringify(options)], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [output, error] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (error += text));
      child.on("close", (_code, signal) => resolve({ signal, output, error }));
    });
}

/** Leaves drivers where they are: libsql has a binary. */
const driversStay: Plugin = {
  name: "drivers-stay",
  setup({ onResolve }) {
    onResolve({ filter: /^(pg|libsql)$/ }, ({ path, importer }) => ({
      path: pathToFileURL(createRequire(importer).resolve(path)).href,
      external: true,
    }));
  },
};
