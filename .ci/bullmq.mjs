// Whether the newest BullMQ that the peer range of @busbar/redis allows has the scripts that it was tested with:
// those that run within its own by their text, and all others for what changed. If one that runs has changed, the
// conformance suite runs on that BullMQ. `node .ci/bullmq.mjs --accept` runs it in any case, and when it passes
// writes version and scripts down as tested.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { cache, finish, pages, root, run } from "./lib.mjs";

const redis = join(root, "packages/redis");
const list = join(redis, "src/store/tested-bullmq.ts");
const folder = join(cache, "bullmq");
const tests = ["conformance", "scripts-whole", "publish-one", "bull-board"];
const accepts = process.argv.includes("--accept");

const { range, tested } = readTested();
const newest = await newestOf(range);
const problems = [];
let note = `BullMQ ${tested.version} is the newest of ${range}`;
if (newest === undefined) {
  problems.push(`The registry does not say which BullMQ ${range} there is`);
} else if (newest !== tested.version || accepts) {
  note = await lookAt(newest);
}
problems.push(...olderCommands());
finish(problems, note);

/**
 * Commands of pages that install another BullMQ than the range admits, or whichever is the newest: npm refuses to
 * install that next to @busbar/redis once the range does not admit it.
 */
function olderCommands() {
  const wanted = `bullmq@${range.replace(/^~(\d+\.\d+)\.\d+$/, "$1")}`;
  return pages().flatMap((page) =>
    [
      ...readFileSync(join(root, page), "utf8").matchAll(
        /(?:npm install|add `)[^`\n]* (bullmq\S*)/g,
      ),
    ]
      .filter(([, name]) => !`${name}.`.startsWith(`${wanted}.`))
      .map(([command]) => `${page}: "${command}" should install ${wanted}`),
  );
}

/** The range of the manifest, and what is written down as tested. */
function readTested() {
  const manifest = JSON.parse(readFileSync(join(redis, "package.json"), "utf8"));
  const text = readFileSync(list, "utf8");
  const version = /version: "([^"]+)"/.exec(text)?.[1] ?? "";
  const scripts = new Map(
    [...text.matchAll(/(\w+):\s+"([0-9a-f]{64})"/g)].map((it) => it.slice(1)),
  );
  return { range: manifest.peerDependencies.bullmq, tested: { version, scripts } };
}

/** The newest release of the range that the registry offers, which lists them in the order of their publishing. */
async function newestOf(range) {
  const { code, stdout } = await run("npm", ["view", `bullmq@${range}`, "version", "--json"]);
  if (code !== 0 || stdout.trim() === "") return undefined;
  const versions = [JSON.parse(stdout)].flat();
  return versions.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
}

async function lookAt(version) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const packages = [`bullmq@${version}`, `ioredis@${ioredisVersion()}`];
  const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-save"];
  const installed = await run("npm", ["install", ...options, ...packages], { cwd: folder });
  if (installed.code !== 0) {
    problems.push(`bullmq@${version} cannot be installed:\n${installed.output.trimEnd()}`);
    return "";
  }
  const all = scriptsIn(folder);
  const ours = scriptsIn(redis);
  const differs = [...tested.scripts].flatMap(([name, hash]) =>
    all.get(name) === hash ? [] : [name],
  );
  const others = [...all].flatMap(([name, hash]) =>
    ours.get(name) === hash || tested.scripts.has(name) ? [] : [name],
  );
  const aside = others.length > 0 ? `; changed besides: ${others.join(", ")}` : "";
  if (differs.length === 0 && !accepts)
    return `BullMQ ${version} has the scripts of ${tested.version}${aside}`;
  const candidate = join(folder, "tested-bullmq.ts");
  writeFileSync(candidate, listOf(version, all));
  const suite = await run(
    "node",
    [join(root, ".ci/test.mjs"), ...tests.map((name) => `packages/redis/test/${name}.test.ts`)],
    { env: { BUSBAR_BULLMQ: folder } },
  );
  const changed =
    differs.length > 0 ? `changed ${differs.join(", ")}` : `the scripts of ${tested.version}`;
  if (suite.code !== 0) {
    problems.push(
      `BullMQ ${version} has ${changed}, and does not pass:\n${suite.output.trimEnd()}`,
    );
    return "";
  }
  if (!accepts) {
    problems.push(
      `BullMQ ${version} has ${changed}, and passes the suite: node .ci/bullmq.mjs --accept writes it down${aside}`,
    );
    return "";
  }
  writeFileSync(list, listOf(version, all));
  return `BullMQ ${version} has ${changed}, passes, and is written down as tested${aside}`;
}

function ioredisVersion() {
  return createRequire(join(redis, "package.json"))("ioredis/package.json").version;
}

/** A SHA-256 of each script of the BullMQ that a folder resolves. */
function scriptsIn(from) {
  const scripts = createRequire(join(from, "package.json"))("bullmq/dist/cjs/scripts/index.js");
  return new Map(
    Object.values(scripts).map(({ name, keys, content }) => [
      name,
      createHash("sha256").update(`${keys}\n${content}`).digest("hex"),
    ]),
  );
}

/** The text of tested-bullmq.ts for that release. */
function listOf(version, all) {
  const text = readFileSync(list, "utf8").replace(/version: "[^"]+"/, `version: "${version}"`);
  return text.replaceAll(
    /(\w+):(\s+)"[0-9a-f]{64}"/g,
    (_, name, space) => `${name}:${space}"${all.get(name)}"`,
  );
}
