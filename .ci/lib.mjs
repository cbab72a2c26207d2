import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = fileURLToPath(new URL("../", import.meta.url));

/** Where gates put what they generate; git ignores it. */
export const cache = join(root, ".cache");

/** Variables for every command: its tools on the path, no telemetry, no second installation. */
const baseEnv = {
  ...process.env,
  PATH: join(root, "node_modules/.bin") + delimiter + process.env.PATH,
  TURBO_TELEMETRY_DISABLED: "1",
  pnpm_config_verify_deps_before_run: "false",
};

/**
 * Runs a command to its end and returns what it wrote. Never throws on a non-zero exit code.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, inherit?: boolean, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string, output: string, timedOut: boolean }>}
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...baseEnv, ...options.env },
      stdio: options.inherit ? "inherit" : ["ignore", "pipe", "pipe"],
      // A group of its own, so that a time-out reaches the grandchildren too.
      detached: options.timeoutMs !== undefined,
    });
    let stdout = "";
    let stderr = "";
    let output = "";
    let timedOut = false;
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
          }, options.timeoutMs);
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      output += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text) => {
      stderr += text;
      output += text;
    });
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 1, stdout, stderr, output: `${output}${error.message}\n`, timedOut });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, stdout, stderr, output, timedOut });
    });
  });
}

/**
 * The packages in `packages/` and `examples/`, sorted by folder.
 *
 * @returns {{ folder: string, path: string, manifest: any }[]} `folder` is relative to the root.
 */
export function workspace() {
  return ["packages", "examples"].flatMap((parent) => {
    if (!existsSync(join(root, parent))) return [];
    return readdirSync(join(root, parent))
      .toSorted()
      .map((name) => ({ folder: `${parent}/${name}`, path: join(root, parent, name) }))
      .filter(({ path }) => existsSync(join(path, "package.json")))
      .map((entry) => ({
        ...entry,
        manifest: JSON.parse(readFileSync(join(entry.path, "package.json"), "utf8")),
      }));
  });
}

/** The packages that go to npm. */
export function publishedPackages() {
  return workspace().filter(({ manifest }) => manifest.private !== true);
}

/**
 * Every file below a folder, as paths relative to it, without what is generated.
 *
 * @param {string} folder
 * @returns {string[]}
 */
export function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !["node_modules", "dist", ".cache", ".turbo"].includes(entry.name))
    .flatMap((entry) =>
      entry.isDirectory()
        ? filesIn(join(folder, entry.name)).map((file) => `${entry.name}/${file}`)
        : [entry.name],
    )
    .toSorted();
}

/** The Markdown pages whose code and links are checked, relative to the root. */
export function pages() {
  return [
    "README.md",
    ...filesIn(join(root, "docs"))
      .filter((file) => file.endsWith(".md"))
      .map((file) => `docs/${file}`),
    ...workspace().map(({ folder }) => `${folder}/README.md`),
  ].filter((file) => existsSync(join(root, file)));
}

/**
 * Ends a gate: prints each problem, or one line that says what was checked.
 *
 * @param {readonly string[]} problems
 * @param {string} summary
 */
export function finish(problems, summary) {
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log(summary);
  else process.exitCode = 1;
}
