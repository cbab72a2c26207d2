// Type-checks every TypeScript block of the Markdown pages, looks for promises that nobody waits for, and runs those
// marked so.
// The conventions are in docs/CONTRIBUTING.md, "Code in pages".
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, normalize, relative, resolve } from "node:path";
import { cache, finish, pages, root, run, workspace } from "./lib.mjs";
import { blocksIn } from "./markdown.mjs";

const output = join(cache, "doc-snippets");
const lintConfig = join(output, "oxlintrc.json");
const runTimeoutMs = 30_000;
const problems = [];

rmSync(output, { recursive: true, force: true });
mkdirSync(join(output, "node_modules"), { recursive: true });
linkPackages();
writeFileSync(join(output, "package.json"), '{ "type": "module" }\n');
writeFileSync(
  lintConfig,
  JSON.stringify({
    options: { typeAware: true },
    plugins: ["typescript"],
    categories: { correctness: "off" },
    rules: {
      "typescript/no-misused-promises": "error",
      "typescript/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", name: "test", package: "node:test" }] },
      ],
    },
  }),
);
writeFileSync(
  join(output, "tsconfig.json"),
  JSON.stringify({ extends: "../../tsconfig.base.json", include: ["**/*.ts"] }),
);

/**
 * What is written to disk, by path below `output`.
 *
 * @type {Map<string, { lines: string[], from: string[] }>} `from` has the "page:line" of each line.
 */
const modules = new Map();
const runs = [];
let count = 0;
for (const page of pages()) collect(page);

for (const [path, { lines }] of modules) {
  mkdirSync(dirname(join(output, path)), { recursive: true });
  writeFileSync(join(output, path), `${lines.join("\n")}\n`);
}
await Promise.all([typeCheck(), lint()]);
if (problems.length === 0) await executeAll();
finish([...new Set(problems)], `${count} blocks, ${runs.length} run`);

/** Turns the blocks of one page into modules and runs. */
function collect(page) {
  const blocks = blocksOf(page);
  const named = new Map();
  let step = 1;
  let previous;
  for (const [index, block] of blocks.entries()) {
    if (block.language !== "ts" && block.language !== "typescript") continue;
    count += 1;
    const at = `${page}:${block.line}`;
    const { file, noCheck, isRun, continues, problem } = directivesOf(block.info);
    if (problem) {
      problems.push(`${at}: ${problem}`);
      continue;
    }
    if (noCheck) continue;
    const from = block.lines.map((_, offset) => `${page}:${block.line + 1 + offset}`);
    if (continues) {
      if (previous === undefined) {
        problems.push(`${at}: "continues", but no block comes before`);
        continue;
      }
      previous.module.lines.push(...block.lines);
      previous.module.from.push(...from);
    } else {
      const module = { lines: [...block.lines], from };
      if (file !== undefined && named.has(file)) {
        // A later version of a file: the page's next step, beside the other files as they are.
        step += 1;
        for (const [name, kept] of named) modules.set(`${page}/step-${step}/${name}`, kept);
      }
      if (file !== undefined) named.set(file, module);
      const path = `${page}/step-${step}/${file ?? `line-${block.line}.ts`}`;
      modules.set(path, module);
      previous = { path, module };
    }
    if (isRun) {
      const next = blocks[index + 1];
      const isOutput = next?.language === "text" && next.info.trim() === "output";
      runs.push({
        at,
        page,
        path: previous.path,
        expected: isOutput ? next.lines.join("\n") : undefined,
      });
    }
  }
}

/** The fenced blocks of a page. */
function blocksOf(page) {
  const blocks = blocksIn(readFileSync(join(root, page), "utf8"));
  const open = blocks.find(({ isOpen }) => isOpen);
  if (open !== undefined) problems.push(`${page}:${open.line}: the block has no end`);
  return blocks;
}

/** What the words after the language ask for. */
function directivesOf(info) {
  const asked = { file: undefined, noCheck: false, isRun: false, continues: false };
  for (const [word] of info.matchAll(/[^\s="]+(?:="[^"]*"|=\S*)?/g)) {
    const value = word.split("=").slice(1).join("=").replaceAll('"', "");
    if (word === "run") asked.isRun = true;
    else if (word === "continues") asked.continues = true;
    else if (word.startsWith("file=") && /^[\w./-]+\.ts$/.test(value))
      asked.file = normalize(value);
    else if (word.startsWith("no-check=") && value !== "") asked.noCheck = true;
    else if (word.startsWith("no-check")) return { problem: 'write no-check="the reason"' };
    else return { problem: `"${word}" is not a directive` };
  }
  if (asked.continues && asked.file !== undefined)
    return { problem: "continues or file=, not both" };
  if (asked.file?.startsWith("..")) return { problem: "file= leaves the page's folder" };
  return asked;
}

/** Lets snippets import the workspace's packages, and whatever one of those depends on. */
function linkPackages() {
  const link = (name, target) => {
    const path = join(output, "node_modules", name);
    if (existsSync(path)) return;
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path, "junction");
  };
  for (const { path, manifest } of workspace()) link(manifest.name, path);
  for (const folder of [...workspace().map(({ path }) => path), root]) {
    const modulesFolder = join(folder, "node_modules");
    for (const entry of existsSync(modulesFolder) ? readdirSync(modulesFolder) : []) {
      const names = entry.startsWith("@")
        ? readdirSync(join(modulesFolder, entry)).map((name) => `${entry}/${name}`)
        : [entry];
      for (const name of names) if (!name.startsWith(".")) link(name, join(modulesFolder, name));
    }
  }
}

async function typeCheck() {
  if (modules.size === 0) return;
  const { stdout, code } = await run("tsc", ["-p", output, "--pretty", "false"], { cwd: output });
  for (const line of stdout.trimEnd().split("\n").filter(Boolean)) {
    const [, path, row, column, message] = /^(.+?)\((\d+),(\d+)\): (.*)$/.exec(line) ?? [];
    const from = path && modules.get(path)?.from;
    if (from) problems.push(`${from[row - 1] ?? from.at(-1)}:${column}: ${message}`);
    else problems.push(line);
  }
  if (code !== 0 && problems.length === 0) problems.push("tsc failed without a message");
}

/** Readers copy these programs: a rejection that nobody handles ends theirs. */
async function lint() {
  const files = [...modules.keys()].map((path) => join(output, path));
  const {
    stdout,
    output: all,
    code,
  } = await run("oxlint", ["--config", lintConfig, "--no-ignore", "--format=unix", ...files]);
  const found = [];
  for (const line of stdout.split("\n")) {
    const [, path, row, column, message] = /^(.+?):(\d+):(\d+): (.*)$/.exec(line) ?? [];
    const from = path && modules.get(relative(output, resolve(root, path)))?.from;
    if (from) found.push(`${from[row - 1] ?? from.at(-1)}:${column}: ${message}`);
  }
  if (code !== 0 && found.length === 0) found.push(`oxlint failed:\n${all}`);
  problems.push(...found);
}

/** Two pages at a time. The programs of one page follow each other: a later one may use what an earlier one wrote. */
async function executeAll() {
  const waiting = [...new Set(runs.map(({ page }) => page))].values();
  const worker = async () => {
    for (const page of waiting) {
      for (const each of runs.filter((it) => it.page === page)) await execute(each);
    }
  };
  await Promise.all([worker(), worker()]);
}

async function execute({ at, path, expected }) {
  const args = ["--conditions=@busbar/source", join(output, path)];
  const result = await run("tsx", args, {
    cwd: dirname(join(output, path)),
    // Pages show what a program prints that finds no Redis.
    env: { REDIS_URL: "" },
    timeoutMs: runTimeoutMs,
  });
  if (result.timedOut) problems.push(`${at}: did not end within ${runTimeoutMs} ms`);
  else if (result.code !== 0)
    problems.push(`${at}: ended with code ${result.code}\n${result.output}`);
  else if (expected !== undefined && result.stdout.trimEnd() !== expected.trimEnd()) {
    problems.push(`${at}: printed\n${result.stdout}instead of\n${expected}`);
  }
}
