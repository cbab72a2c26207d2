// What a new user does in the first hour, with what we would publish: each journey starts in an empty folder outside
// the repository, installs our tarballs from a registry with a package manager, and follows pages to the letter. Their
// `sh` blocks are run, their blocks with `file=` are written, and those with `run` are run. What they print is compared
// with the `text output` block that follows, and what they log with a `text log` block after it, in which `…` stands
// for any text: without one they must log nothing. With --all, every package manager goes every way on every Node.
// An application that `npm create busbar` makes has to run within a minute.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { installed } from "./installed.mjs";
import { finish, root, run } from "./lib.mjs";
import { blocksIn } from "./markdown.mjs";
import { nodeProgram } from "./node-releases.mjs";
import { serveRegistry } from "./registry.mjs";
import { ensureProgram } from "./servers/programs.mjs";
import { startServer } from "./servers/start-server.mjs";
import { packPackages } from "./tarballs.mjs";

const timeoutMs = 120_000;
/** The lowest that docs/README.md names. */
const typescript = "typescript@5.9.3";
const compile = `npx tsc --noEmit --strict --exactOptionalPropertyTypes --allowImportingTsExtensions --target es2023 --module nodenext --types node`;

/** Where npm looks. Yarn has a registry of its own otherwise. */
const npmRegistry = (await run("npm", ["config", "get", "registry"])).stdout.trim();
const npmCache = (await run("npm", ["config", "get", "cache"])).stdout.trim();

/** How each writes what the pages say in the words of npm, and which files tell it about our registry. */
const managers = {
  npm: { words: [], files: () => ({}) },
  pnpm: {
    words: [
      ["npm install --save-dev", "pnpm add --save-dev"],
      ["npm install", "pnpm add"],
      ["npx", "pnpm exec"],
    ],
    // The answer to a question of pnpm's.
    files: (url) => ({
      ".npmrc": `@busbar:registry=${url}\n`,
      "pnpm-workspace.yaml": "allowBuilds: { esbuild: false, msgpackr-extract: false }\n",
    }),
  },
  yarn: {
    tool: ["@yarnpkg/cli-dist", "4.18.1"],
    words: [
      ["npm install --save-dev", "yarn add --dev"],
      ["npm install", "yarn add"],
      ["npx", "yarn"],
    ],
    files: (url) => ({
      "yarn.lock": "",
      ".yarnrc.yml": `{ nodeLinker: node-modules, enableTelemetry: false, unsafeHttpWhitelist: [127.0.0.1], npmRegistryServer: "${npmRegistry}", npmScopes: { busbar: { npmRegistryServer: "${url}" } } }\n`,
    }),
  },
  bun: {
    tool: [`@oven/bun-${process.platform}-${process.arch.replace("arm", "aarch")}`, "1.4.5"],
    words: [
      ["npm install --save-dev", "bun add --dev"],
      ["npm install", "bun add"],
      ["npx tsx", "bun"],
    ],
    files: (url) => ({ ".npmrc": `@busbar:registry=${url}\n` }),
  },
};

const creating = { page: "docs/how-to/create-a-project.md", without: "start" };

/**
 * A way is a folder of its own, and what is done there: pages or sections of them, and commands that pages leave to the
 * reader. Steps may have a time limit together.
 */
const start = ["npm init --yes", "npm pkg set type=module"];
const ways = {
  README: [
    ...start,
    "npm install @busbar/core @busbar/local zod",
    "npm install --save-dev tsx",
    { page: "README.md", without: "sh" },
  ],
  "tutorial 1": [{ page: "docs/tutorials/1-quickstart.md" }],
  "tutorials 1, 2, 3 and 5": [
    { page: "docs/tutorials/1-quickstart.md" },
    { page: "docs/tutorials/2-subscribers-and-retries.md" },
    { page: "docs/tutorials/3-choose-a-provider.md" },
    { page: "docs/tutorials/5-first-workflow.md" },
  ],
  "tutorial 4": [
    { page: "docs/tutorials/4-transactional-outbox.md" },
    `npm install --save-dev ${typescript} @types/node@20 pg @types/pg`,
    `${compile} *.ts`,
  ],
  "tutorial 6": [
    { page: "docs/tutorials/6-first-webhook.md" },
    `npm install --save-dev ${typescript} @types/node@20`,
    `${compile} *.ts`,
  ],
  "bundle and build": [
    ...start,
    "npm install @busbar/core @busbar/local",
    `npm install --save-dev esbuild ${typescript} @types/node@20`,
    { page: "docs/how-to/bundle.md" },
    'cp dist/main.cjs "$PWD.cjs" && node "$PWD.cjs" && rm -r dist src',
    { page: "docs/how-to/build-and-deploy.md", without: "start" },
    startAndStop("dist/src/main.js"),
  ],
  "tests and a provider": [
    ...start,
    "npm install @busbar/core",
    "npm install --save-dev tsx",
    { page: "docs/how-to/test-subscribers.md" },
    { page: "docs/how-to/write-a-provider.md" },
    "npx vitest run test/conformance.test.ts",
  ],
  "create projects": [
    {
      withinMs: 60_000,
      steps: [{ ...creating, section: "Create an application" }, runInDevelopment()],
    },
    "npm run build",
    { ...creating, section: "Create a provider" },
    { ...creating, section: "Create a notifier" },
  ],
};

const managed = (manager, node, ...names) => names.map((way) => ({ manager, node, way }));
const short = [
  ...managed("npm", "20", "tutorials 1, 2, 3 and 5", "create projects"),
  ...managed("yarn", "22", "README", "tutorial 6"),
  ...managed("pnpm", "24", "tutorial 4", "bundle and build"),
  ...managed("bun", undefined, "README", "tutorial 1"),
];
const all = ["npm", "pnpm", "yarn"].flatMap((manager) => {
  // Yarn does not install the vite that vitest asks for.
  const skipped = manager === "yarn" ? ["tutorial 1", "tests and a provider"] : ["tutorial 1"];
  // The folders that are created have the settings of their package manager.
  if (manager !== "npm") skipped.push("create projects");
  const names = Object.keys(ways).filter((way) => !skipped.includes(way));
  return ["20", "22", "24"].flatMap((node) => managed(manager, node, ...names));
});
const journeys = process.argv.includes("--all")
  ? [...all, ...managed("bun", undefined, "README", "tutorial 1")]
  : short;

const work = mkdtempSync(join(realpathSync(tmpdir()), "busbar-first-hour-"));
const registry = await serveRegistry(await packPackages("first-hour"), npmRegistry);
// Never one that is there already: the pages leave their keys in it.
ensureProgram("redis");
const redis = await startServer("redis");
const problems = [];
try {
  // Those of one package manager one after the other: they share its cache.
  const inTurn = Object.keys(managers).map(async (manager) => {
    for (const journey of journeys.filter((it) => it.manager === manager)) {
      const from = performance.now();
      problems.push(...(await go(journey)));
      console.log(`${titleOf(journey)}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
    }
  });
  await Promise.all(inTurn);
} finally {
  await Promise.all([registry.close(), redis.stop()]);
  rmSync(work, { recursive: true, force: true });
}
const names = journeys.map(titleOf).join("; ");
const leftOut =
  journeys === short ? `. Left out, see --all: ${all.length - short.length} more ways` : "";
finish(problems, `${names}${leftOut}`);

function titleOf({ manager, node, way }) {
  return `${way} with ${manager}${node === undefined ? "" : ` on Node ${node}`}`;
}

/** Goes one way, and returns what went wrong. */
async function go(journey) {
  const { words, files, tool } = managers[journey.manager];
  const path = [await nodeProgram(journey.node ?? "20")].map(dirname);
  if (tool !== undefined) path.unshift(toolFolder(await installed(...tool), tool[0]));
  const home = mkdtempSync(join(work, "home-"));
  let folder = home;
  const env = { ...environment(path), ...(journey.way === "create projects" && ofCreate(home)) };
  const configure = (place) => {
    for (const [name, text] of Object.entries(files(registry.url))) {
      if (!existsSync(join(place, name))) writeFileSync(join(place, name), text);
    }
  };

  /** Runs one line of a shell, which may change the folder. */
  async function shell(line, expected, logged) {
    const command = words.reduce((text, [npm, own]) => text.replaceAll(npm, own), line);
    const here = join(home, ".folder");
    const args = ["-c", `${command} && pwd > ${JSON.stringify(here)}`];
    configure(folder);
    const { code, stdout, stderr, output, timedOut } = await run("bash", args, {
      cwd: folder,
      env,
      timeoutMs,
    });
    if (timedOut) return `${command}: did not end within ${timeoutMs} ms\n${output}`;
    if (code !== 0) return `${command}: ended with code ${code}\n${output}`;
    folder = readFileSync(here, "utf8").trim();
    if (expected === undefined) return undefined;
    if (stdout.trimEnd() !== expected) return `${command}: printed\n${output}not\n${expected}`;
    if (!logPattern(logged).test(stderr)) return `${command}: logged\n${stderr}not\n${logged}`;
    return undefined;
  }

  /** Takes one step, and returns what went wrong. */
  async function take(step) {
    if (step.steps !== undefined) {
      const from = performance.now();
      for (const each of step.steps) {
        const problem = await take(each);
        if (problem !== undefined) return problem;
      }
      const took = Math.round(performance.now() - from);
      console.log(`${titleOf(journey)}: ${took} ms of ${step.withinMs}`);
      return took <= step.withinMs ? undefined : `took ${took} ms, and not ${step.withinMs}`;
    }
    const actions = typeof step === "string" ? [{ sh: step, at: step }] : actionsOf(step);
    for (const { at, write, text, sh, expected, logged } of actions) {
      if (write !== undefined) {
        mkdirSync(dirname(join(folder, write)), { recursive: true });
        writeFileSync(join(folder, write), text);
        continue;
      }
      const problem = await shell(sh, expected, logged);
      if (problem === undefined) continue;
      endPrograms(folder);
      return `${at}: ${problem}`;
    }
    return undefined;
  }

  for (const step of ways[journey.way]) {
    const problem = await take(step);
    if (problem !== undefined) return [`${titleOf(journey)}: ${problem}`];
  }
  return [];
}

/** Ends the programs that a page has left running. Their ids are in files. */
function endPrograms(folder) {
  for (const name of readdirSync(folder).filter((it) => it.endsWith(".pid"))) {
    try {
      process.kill(Number(readFileSync(join(folder, name), "utf8")));
    } catch {
      // It has ended by itself.
    }
  }
}

/** What a page, or a section of it, has its reader do. */
function actionsOf({ page, without = "-", section }) {
  const text = readFileSync(join(root, page), "utf8");
  const blocks = blocksIn(text).filter(
    ({ line }) => section === undefined || isIn(section, text, line),
  );
  return blocks.flatMap(({ language, info, line, lines }, index) => {
    const at = `${page}:${line}`;
    const expected = textOf(blocks[index + 1], "output");
    const logged = textOf(blocks[index + 2], "log") ?? "";
    const isRun = /(?:^|\s)run(?:\s|$)/.test(info);
    if (`${language} ${info}`.split(" ").includes(without)) return [];
    if (language === "sh") {
      const commands = lines.filter((it) => it !== "");
      return commands.map((command) => ({
        at,
        sh: withServer(command),
        ...(command === commands.at(-1) && { expected, logged }),
      }));
    }
    const write = /(?:^|\s)file=(\S+)/.exec(info)?.[1] ?? (isRun ? "main.ts" : undefined);
    if (write === undefined) return [];
    return [
      { at, write, text: `${lines.join("\n")}\n` },
      ...(isRun ? [{ at, sh: `npx tsx ${write}`, expected, logged }] : []),
    ];
  });
}

/** Whether a line is in a section. */
function isIn(section, text, line) {
  const before = text.split("\n").slice(0, line);
  return before.findLast((it) => it.startsWith("## ")) === `## ${section}`;
}

/** The text of a block, if it is one of that kind. */
function textOf(block, kind) {
  const is = block?.language === "text" && block.info.trim() === kind;
  return is ? block.lines.join("\n") : undefined;
}

function logPattern(text) {
  const parts = text
    .split("…")
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}\\s*$`);
}

/** Starts a service from another directory, and ends it with a signal once it listens. */
function startAndStop(file) {
  const service = `(cd / && exec env NODE_ENV=production PORT=0 node "$here/${file}") > "$log" & service=$!`;
  const listens = 'until grep listening "$log" || ! kill -0 $service; do sleep 0.1; done';
  return `here=$PWD; log=$PWD/printed; ${service}; ${listens}; kill $service; wait $service && grep stopped "$log"`;
}

/** Runs an application that was created as its page does, places an order, and ends it. */
function runInDevelopment() {
  const service =
    '(PORT=0 exec node_modules/.bin/busbar dev src/serve.ts --twice) > "$log" 2>&1 & dev=$!';
  const until = (text) =>
    `until grep ${JSON.stringify(text)} "$log" || ! kill -0 $dev; do sleep 0.1; done`;
  const order = `'{ "orderId": "42", "customer": "ada@example.com", "totalCents": 1200 }'`;
  const place = `curl --silent --fail "$(grep -o 'http://[^ ]*' "$log")/orders" --data ${order}`;
  const handled = "order.placed to send-receipt a second time";
  const end = `kill $dev; wait $dev && grep "${handled}" "$log" || { cat "$log"; exit 1; }`;
  return `log=$PWD/printed; ${service}; ${until("Listening on")}; ${place}; ${until(handled)}; ${end}`;
}

/** Pages name the server at its usual place. */
function withServer(command) {
  return command.replaceAll("redis://127.0.0.1:6379", redis.url);
}

function toolFolder(folder, name) {
  const own = join(folder, "node_modules", name, "bin");
  return name.startsWith("@oven/") ? own : join(folder, "node_modules/.bin");
}

/**
 * All packages come from our registry, because those that create projects have no scope. npm keeps what `npm create`
 * has installed once: with a cache of its own it installs again, from files that were fetched before.
 */
function ofCreate(home) {
  const cache = join(home, ".npm");
  mkdirSync(cache);
  mkdirSync(join(npmCache, "_cacache"), { recursive: true });
  symlinkSync(join(npmCache, "_cacache"), join(cache, "_cacache"));
  // npm asks whether it may install what creates the project.
  return {
    npm_config_registry: `${registry.url}/`,
    npm_config_cache: cache,
    npm_config_yes: "true",
  };
}

/** That of this process, without what npm, pnpm and this repository put there. */
function environment(path) {
  const own = Object.keys(process.env).filter(
    (name) =>
      /^(?:npm_|pnpm_|init_cwd$|busbar_|redis_url$|database_url$|ci$)/i.test(name) &&
      !/^npm_config_(?:.*registry|.*proxy|cafile)$/i.test(name),
  );
  const theirs = process.env.PATH.split(delimiter).filter((folder) => !folder.startsWith(root));
  return {
    ...Object.fromEntries(own.map((name) => [name, undefined])),
    pnpm_config_verify_deps_before_run: undefined,
    PATH: [...path, ...theirs].join(delimiter),
    "npm_config_@busbar:registry": registry.url,
  };
}
