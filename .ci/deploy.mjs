// Does what docs/how-to/build-and-deploy.md says: builds its application with each command, starts what was
// built from another directory, asks it, and stops it with a signal. Reads its Dockerfile, unit and manifest.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { validate } from "dockerfile-utils";
import { parseDocument } from "yaml";
import { finish, root, run } from "./lib.mjs";
import { blocksIn } from "./markdown.mjs";

const page = "docs/how-to/build-and-deploy.md";
const timeoutMs = 30_000;
const problems = [];

/** What the unit may say, so that a misspelt key is found. */
const UNIT_KEYS = {
  Unit: ["Description", "After", "Wants"],
  Service: [
    "Environment",
    "ExecStart",
    "User",
    "Restart",
    "RestartSec",
    "KillSignal",
    "KillMode",
    "TimeoutStopSec",
  ],
  Install: ["WantedBy"],
};

const blocks = blocksIn(readFileSync(join(root, page), "utf8"));
const files = new Map();
const builds = new Map();
let program;
for (const { language, info, lines } of blocks) {
  const [, kind, value] = /^(file|build|start)(?:=(\S+))?/.exec(info) ?? [];
  if (kind === "file") files.set(value, lines.join("\n"));
  // Packages are linked here, and nothing is to be fetched.
  else if (language === "sh" && kind === "build")
    builds.set(value, lines.join("\n").replaceAll("npx ", ""));
  else if (language === "sh" && kind === "start") program = lines.join("\n").replace(/^node /, "");
}

const folder = mkdtempSync(join(realpathSync(tmpdir()), "busbar-deploy-"));
try {
  const source = join(folder, "source");
  for (const [name, text] of files) {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    writeFileSync(join(source, name), `${text}\n`);
  }
  writeFileSync(join(source, "package.json"), '{ "name": "shop", "type": "module" }\n');
  writeFileSync(join(source, "package-lock.json"), "{}\n");
  for (const name of ["core", "local"])
    link(join(root, "packages", name), source, `@busbar/${name}`);
  link(join(root, "node_modules/@types/node"), source, "@types/node");

  for (const [name, command] of builds) {
    rmSync(join(source, "dist"), { recursive: true, force: true });
    const built = await run("sh", ["-c", command], { cwd: source, timeoutMs });
    if (built.code !== 0) {
      problems.push(`${name}: ${command}\n${built.output}`);
      continue;
    }
    const deployed = join(folder, name);
    for (const part of ["dist", "package.json", "node_modules"]) {
      cpSync(join(source, part), join(deployed, part), { recursive: true });
    }
    // With only what was built in production, and with the sources beside it in development.
    const places = [
      [deployed, "production"],
      [source, "development"],
    ];
    const results = places.map(([place, env]) => serve(join(place, program), env));
    for (const problem of await Promise.all(results)) {
      if (problem !== undefined) problems.push(`${name}: ${problem}`);
    }
  }
  checkDockerfile(files.get("Dockerfile"), source);
  checkUnit(files.get("shop.service"));
  checkManifest(files.get("deployment.yaml"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
finish(problems, `${builds.size} builds run from another directory, and 3 files read`);

/** Starts a program, uses it and ends it. Says what went wrong. */
async function serve(file, env) {
  const child = spawn(process.execPath, [file], {
    cwd: "/",
    env: { PATH: process.env.PATH, NODE_ENV: env, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const ended = once(child, "close");
  const output = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      output.push(line);
      const [, port] = /^listening on port (\d+)$/.exec(line) ?? [];
      if (port)
        use(`http://127.0.0.1:${port}`)
          .catch((error) => output.push(error.message))
          .finally(() => child.kill("SIGTERM"));
    });
  }
  const use = async (url) => {
    const get = async (path, method) => {
      const response = await fetch(url + path, { method, headers: { connection: "close" } });
      return `${response.status} ${await response.text()}`.trim();
    };
    output.push(await get("/live"), await get("/ready"), await get("/orders/42", "POST"));
  };
  const [code, signal] = await ended;
  clearTimeout(limit);
  const text = output
    .filter((line) => !line.startsWith("listening"))
    .toSorted((a, b) => a.localeCompare(b))
    .join("\n");
  const expected = ["200 alive", "200 up", "202", "receipt for order 42", "stopped"].join("\n");
  if (code === 0 && text === expected) return undefined;
  return `${env}: ended with ${code ?? signal} and printed\n${output.join("\n")}`;
}

/** What it copies and starts is there, the signal reaches Node, and it does not run as root. */
function checkDockerfile(text, source) {
  for (const { message, range } of validate(text)) {
    problems.push(`Dockerfile:${range.start.line + 1}: ${JSON.stringify(message)}`);
  }
  const lines = text.split("\n");
  for (const line of lines.filter((each) => /^COPY (?!--from)/.test(each))) {
    const names = line.split(/\s+/).slice(1, -1);
    const missing = names.filter((name) => !existsSync(join(source, name)));
    if (missing.length > 0)
      problems.push(`Dockerfile: copies ${missing.join(", ")}, which is not there`);
  }
  if (!lines.includes(`CMD ${JSON.stringify(["node", program]).replace(",", ", ")}`))
    problems.push("Dockerfile: does not start the program");
  if (!lines.includes("USER node")) problems.push("Dockerfile: runs as root");
}

function checkUnit(text) {
  let section;
  const found = new Map();
  for (const line of text.split("\n").filter(Boolean)) {
    const [, head] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (head) {
      section = head;
      continue;
    }
    const [, key, value] = /^(\w+)=(.+)$/.exec(line) ?? [];
    if (!UNIT_KEYS[section]?.includes(key))
      problems.push(`shop.service: "${line}" in [${section}]`);
    found.set(key, value);
  }
  if (!found.get("ExecStart")?.endsWith(`/${program}`))
    problems.push("shop.service: does not start the program");
  if (!(Number(found.get("TimeoutStopSec")) > graceSeconds()))
    problems.push("shop.service: kills what drains");
}

function checkManifest(text) {
  const document = parseDocument(text, { strict: true });
  for (const { message } of [...document.errors, ...document.warnings])
    problems.push(`deployment.yaml: ${message}`);
  const { selector, template } = document.toJS().spec;
  const [container] = template.spec.containers;
  const main = files.get("src/main.ts");
  const probes = [container.readinessProbe, container.livenessProbe].map(({ httpGet }) => httpGet);
  for (const { path, port } of probes) {
    if (!main.includes(`"${path}"`)) problems.push(`deployment.yaml: ${path} is not answered`);
    if (port !== container.ports[0].containerPort || !main.includes(`?? ${port}`))
      problems.push(`deployment.yaml: nothing listens on ${port}`);
  }
  if (selector.matchLabels.app !== template.metadata.labels.app)
    problems.push("deployment.yaml: selects other pods");
  const pause = Number(container.lifecycle.preStop.exec.command[1]);
  if (!(template.spec.terminationGracePeriodSeconds > pause + graceSeconds()))
    problems.push("deployment.yaml: kills what drains");
}

function graceSeconds() {
  const [, ms] = /graceMs: ([\d_]+)/.exec(files.get("src/main.ts"));
  return Number(ms.replaceAll("_", "")) / 1000;
}

function link(target, from, name) {
  const path = join(from, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(realpathSync(target), path);
}
