// Bundles an application of every package into one file, as users do, and runs this file alone: on the
// provider in memory, on Redis, and with the outbox. Code that looks for files next to its own fails here.
// Minified, because code that depends on the names of classes fails then.
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import { cache, finish, root, run } from "./lib.mjs";
import { provideServer } from "./servers/provide-server.mjs";

const timeoutMs = 20_000;
const expected = "receipts: 42\ndead: permanent\n";
/** Native code, which no bundle holds. The first is loaded only if it is there. */
const external = ["pg-native", "libsql"];

/** CommonJS packages in an ES module need it: see docs/how-to/bundle.md. */
const requireBanner = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;

const bundlers = {
  esbuild: (entry, outdir, format) =>
    esbuild({
      entryPoints: [entry],
      outfile: join(outdir, fileOf(format)),
      bundle: true,
      platform: "node",
      target: "node20",
      format,
      minify: true,
      external,
      banner: format === "esm" ? { js: requireBanner } : {},
      logLevel: "silent",
    }),
  Vite: (entry, outDir, format) =>
    vite({
      root: outDir,
      configFile: false,
      logLevel: "silent",
      ssr: { noExternal: true },
      build: {
        ssr: entry,
        outDir,
        emptyOutDir: false,
        target: "node20",
        minify: true,
        rolldownOptions: {
          external,
          output: { format, entryFileNames: fileOf(format), codeSplitting: false },
        },
      },
    }),
};

const work = join(cache, "bundles");
rmSync(work, { recursive: true, force: true });
const entry = application();
const [redis, postgres] = await Promise.all([provideServer("redis"), provideServer("postgres")]);
const problems = [];
let count = 0;
try {
  for (const [name, bundle] of Object.entries(bundlers)) {
    for (const format of ["esm", "cjs"]) {
      const title = `${name}, ${format}`;
      const folder = mkdtempSync(join(realpathSync(tmpdir()), "busbar-bundle-"));
      try {
        await bundle(entry, folder, format);
        problems.push(...(await runEverywhere(title, folder, fileOf(format))));
      } catch (error) {
        problems.push(`${title}: cannot be bundled: ${error.message}`);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
      count += 1;
    }
  }
} finally {
  await Promise.all([redis.stop(), postgres.stop()]);
}
finish(problems, `${count} bundles run in memory, on Redis, and with both kinds of outbox`);

function fileOf(format) {
  return format === "esm" ? "main.mjs" : "main.cjs";
}

/** A copy of the application in a folder where its packages are installed. */
function application() {
  const folder = join(work, "application");
  cpSync(join(root, ".ci/bundle"), folder, { recursive: true });
  for (const name of ["core", "local", "outbox", "redis", "sql"]) {
    link(join(root, "packages", name), folder, `@busbar/${name}`);
  }
  link(join(root, "packages/outbox/node_modules/pg"), folder, "pg");
  return join(folder, "main.mjs");
}

/** What went wrong. Only the native SQLite is there to be imported, and only where it is used. */
async function runEverywhere(title, folder, file) {
  const sqlite = mkdtempSync(join(folder, "sqlite-"));
  cpSync(join(folder, file), join(sqlite, file));
  link(join(root, "packages/outbox/node_modules/libsql"), sqlite, "libsql");
  const places = {
    "in memory": { cwd: folder },
    "on Redis with PostgreSQL": { cwd: folder, env: { ...redis.env, ...postgres.env } },
    "on Redis": { cwd: folder, env: redis.env },
    "with SQLite": { cwd: sqlite, env: { SQLITE_FILE: "outbox.db" } },
  };
  const results = Object.entries(places).map(async ([place, { cwd, env }]) => {
    const none = { REDIS_URL: "", DATABASE_URL: "", SQLITE_FILE: "" };
    const command = ["node", [file], { cwd, env: { ...none, ...env }, timeoutMs }];
    const { code, stdout, output, timedOut } = await run(...command);
    if (code === 0 && stdout === expected) return [];
    return [`${title}, ${place}: ${timedOut ? "does not end" : `exit code ${code}`}\n${output}`];
  });
  return (await Promise.all(results)).flat();
}

function link(target, folder, name) {
  const path = join(folder, "node_modules", name);
  mkdirSync(join(path, ".."), { recursive: true });
  symlinkSync(realpathSync(target), path);
}
