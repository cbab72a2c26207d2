// The servers that tests talk to. Where an environment variable says where one is, that one is used;
// else one is started, on a free port, with its files in a folder that is removed at the end.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * @typedef {object} Server
 * @property {string} name For messages.
 * @property {string} variable Where tests read its address.
 * @property {string} program
 * @property {string} debianPackage
 * @property {readonly string[]} instructions How to get it on other machines.
 * @property {(folder: string, port: number) => readonly string[]} args
 * @property {(port: number) => string} url
 * @property {string} hello What to say to it over TCP,
 * @property {RegExp} answer and how it answers when it is ready.
 */

/** @type {readonly Server[]} */
const servers = [
  {
    name: "Redis",
    variable: "REDIS_URL",
    program: "redis-server",
    debianPackage: "redis-server",
    instructions: [
      "Debian, Ubuntu: sudo apt-get update && sudo apt-get install -y redis-server",
      "macOS:          brew install redis",
      `Docker:         docker run --rm -it -v "$PWD":/busbar -w /busbar node:22 .ci/run`,
    ],
    args: (folder, port) =>
      Object.entries({
        port,
        bind: "127.0.0.1",
        dir: folder,
        appendonly: "yes",
        appendfsync: "everysec",
        save: "",
      }).flatMap(([key, value]) => [`--${key}`, String(value)]),
    url: (port) => `redis://127.0.0.1:${port}`,
    hello: "PING\r\n",
    answer: /^\+PONG/,
  },
];

/**
 * Starts what is not there. `env` says where it is. Ends it with the process, if not before.
 *
 * @returns {Promise<{ env: Record<string, string>, stop(): Promise<void> }>}
 */
export async function startServers() {
  /** @type {{ child: import("node:child_process").ChildProcess, folder: string }[]} */
  const started = [];
  const kill = () => {
    for (const { child, folder } of started.splice(0)) {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  };
  process.once("exit", kill);
  process.once("SIGTERM", () => process.exit(143));
  // Ctrl-C is for the tests, which end by themselves, and then their servers do.
  process.on("SIGINT", () => {});

  /** @type {Record<string, string>} */
  const env = {};
  for (const server of servers) {
    // Also for those tests that stop and kill a server, each one of its own.
    ensureProgram(server);
    if (process.env[server.variable]) {
      console.log(`${server.name}: ${server.variable} says where it is`);
      continue;
    }
    const folder = mkdtempSync(join(tmpdir(), "busbar-"));
    const port = await freePort();
    // In a group of its own, which Ctrl-C does not reach.
    const child = spawn(server.program, server.args(folder, port), {
      stdio: "ignore",
      detached: true,
    });
    started.push({ child, folder });
    await untilReady(server, port, child);
    env[server.variable] = server.url(port);
    console.log(`${server.name}: ${server.program} runs at ${server.url(port)}`);
  }

  return {
    env,
    async stop() {
      const running = started.filter(({ child }) => child.exitCode === null);
      const ended = running.map(({ child }) => once(child, "exit"));
      kill();
      await Promise.all(ended);
    },
  };
}

/** Installs a program where that needs no question, or ends the process with how to do it. */
function ensureProgram({ name, program, debianPackage, instructions }) {
  if (isInstalled(program)) return;
  if (existsSync("/etc/debian_version") && process.getuid?.() === 0) {
    console.log(`${name}: ${program} is missing, so ${debianPackage} is installed by apt-get`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    for (const args of [["update"], ["install", "-y", debianPackage]]) {
      const { status } = spawnSync("apt-get", args, {
        stdio: ["ignore", "ignore", "inherit"],
        env,
      });
      if (status !== 0) break;
    }
    if (isInstalled(program)) return;
  }
  console.error(`The tests need ${name}, and ${program} is not on the path. Install it:\n`);
  for (const line of instructions) console.error(`  ${line}`);
  process.exit(1);
}

function isInstalled(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

async function untilReady({ name, program, hello, answer }, port, child) {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if (child.exitCode !== null) break;
    if (answer.test(await say(hello, port))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${name}: ${program} did not start`);
}

/** The first thing that a port answers, or nothing. */
function say(hello, port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(hello));
    socket.setEncoding("utf8").once("data", (text) => {
      resolve(text);
      socket.destroy();
    });
    socket.on("error", () => resolve(""));
    socket.on("close", () => resolve(""));
  });
}
