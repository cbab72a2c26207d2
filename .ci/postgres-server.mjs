// A PostgreSQL for the tests. `DATABASE_URL` if it is set; else a cluster of our own in a temporary
// folder, from binaries on the path or in /usr/lib/postgresql; else those are installed, as root on
// Debian. Also a `globalSetup` of vitest.
import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const isRoot = process.getuid?.() === 0;
const startWithinMs = 30_000;

/** What vitest calls before the tests: they find the server in `DATABASE_URL`. */
export async function setup() {
  const { url, stop } = await providePostgres();
  process.env.DATABASE_URL = url;
  return stop;
}

/**
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export async function providePostgres() {
  const given = process.env.DATABASE_URL;
  if (given) return { url: given, stop: async () => {} };
  const cluster = createCluster();
  await cluster.start();
  return { url: cluster.url, stop: () => cluster.remove() };
}

/** Whether a cluster of our own can be made without installing anything. */
export function hasPostgres() {
  return findBinaries() !== undefined;
}

/** A cluster of our own, which can be stopped and started. */
export function createCluster() {
  const bin = findBinaries() ?? installBinaries();
  const folder = mkdtempSync(join(tmpdir(), "busbar-postgres-"));
  const user = isRoot ? (accountOf("postgres") ?? accountOf("nobody")) : undefined;
  if (user) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  execFileSync(
    join(bin, "initdb"),
    ["-D", data, "-U", "busbar", "-A", "trust", "-N", "-E", "UTF8"],
    {
      ...user,
      cwd: folder,
      stdio: "pipe",
      env: { ...process.env, LC_ALL: "C" },
    },
  );
  let port;
  let server;

  async function start() {
    port ??= await freePort();
    const options = { port, listen_addresses: "127.0.0.1", unix_socket_directories: folder };
    const settings = { ...options, fsync: "off", max_connections: 200 };
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    let log = "";
    server = spawn(join(bin, "postgres"), ["-D", data, ...args], {
      ...user,
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    process.once("exit", kill);
    await new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`PostgreSQL did not start:\n${log}`));
      const timer = setTimeout(fail, startWithinMs);
      server.once("exit", fail);
      server.stderr.setEncoding("utf8").on("data", (text) => {
        log = (log + text).slice(-10_000);
        if (!log.includes("ready to accept connections")) return;
        clearTimeout(timer);
        server.off("exit", fail);
        resolve();
      });
    });
  }

  function kill() {
    server?.kill("SIGQUIT");
  }

  /** `immediate` is as a crash: nothing is tidied up. */
  async function stop({ immediate = false } = {}) {
    process.off("exit", kill);
    if (server === undefined || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill(immediate ? "SIGQUIT" : "SIGINT");
    await ended;
  }

  return {
    get url() {
      return `postgres://busbar@127.0.0.1:${port}/postgres`;
    },
    start,
    stop,
    async remove() {
      await stop({ immediate: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The folder with `initdb` and `postgres`, if there is one. */
function findBinaries() {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian) : [];
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter),
    ...versions.toSorted((a, b) => Number(b) - Number(a)).map((each) => join(debian, each, "bin")),
  ];
  return folders.find(
    (each) => existsSync(join(each, "initdb")) && existsSync(join(each, "postgres")),
  );
}

function installBinaries() {
  const commands = ["apt-get update", "apt-get install --yes --no-install-recommends postgresql"];
  const help = `The tests need PostgreSQL. Set DATABASE_URL, or run as root on Debian or Ubuntu:\n  ${commands.join("\n  ")}`;
  if (!isRoot || !existsSync("/usr/bin/apt-get")) throw new Error(help);
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    for (const command of commands) {
      const [program, ...args] = command.split(" ");
      execFileSync(program, args, { stdio: "pipe", env });
    }
  } catch (cause) {
    throw new Error(help, { cause });
  }
  const found = findBinaries();
  if (found === undefined) throw new Error(help);
  return found;
}

/** PostgreSQL refuses to run as root. */
function accountOf(name) {
  try {
    const id = (option) =>
      Number(execFileSync("id", [option, name], { encoding: "utf8", stdio: "pipe" }));
    return { uid: id("-u"), gid: id("-g") };
  } catch {
    return undefined;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
