// The servers that tests talk to: how each is got, how it is started, and how one sees that it runs.
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** @typedef {import("./start-server.mjs").Settings} Settings */

/**
 * @typedef {object} Program
 * @property {string} name For messages.
 * @property {string} program
 * @property {string} [versions] A folder with one for each version, whose `bin` need not be on the path.
 * @property {string} [pathVariable] A variable of the environment with the path of the program: before any other place.
 * @property {string} [folder] Where to look before the path: what is on the path is for the system's own server.
 * @property {string} debianPackage
 * @property {readonly string[]} [backports] Releases of Debian that have it in their backports only.
 * @property {readonly string[]} elsewhere How to get it on other machines.
 */

/**
 * @typedef {object} Server
 * @property {string} [variable] Where tests read the address of one that runs.
 * @property {boolean} [refusesRoot]
 * @property {(place: { folder: string, program: string, user: object | undefined }) => void} [prepare]
 *   What comes before its first start.
 * @property {number} [morePorts] How many free ports it needs besides.
 * @property {(folder: string, port: number, morePorts: readonly number[]) => NodeJS.ProcessEnv} [env]
 * @property {boolean} [isScript] It starts other processes, which end with it.
 * @property {(morePorts: readonly number[]) => void} [cleanUp] What comes after its end.
 * @property {(folder: string, port: number, settings: Settings) => readonly string[]} args
 * @property {RegExp} ready What it logs once it takes connections.
 * @property {(port: number, settings: Settings) => string} url
 * @property {{ end: NodeJS.Signals, crash: NodeJS.Signals }} signals
 */

const docker = `Docker:         docker run --rm -it -v "$PWD":/busbar -w /busbar node:22 .ci/run`;

const redis = {
  name: "Redis",
  program: "redis-server",
  variable: "REDIS_URL",
  debianPackage: "redis-server",
  elsewhere: ["macOS:          brew install redis", docker],
  args: (folder, port, settings) =>
    flags({ ...persistent, ...settings, ...listening(port, settings), dir: folder }),
  ready: /Ready to accept connections/,
  url: (port, settings) => `${hasTls(settings) ? "rediss" : "redis"}://127.0.0.1:${port}`,
  signals: { end: "SIGTERM", crash: "SIGKILL" },
};

const persistent = { bind: "127.0.0.1", appendonly: "yes", appendfsync: "everysec", save: "" };

const pooled = {
  listen_addr: "127.0.0.1",
  unix_socket_dir: "",
  auth_type: "any",
  pool_mode: "transaction",
  max_client_conn: 500,
  ignore_startup_parameters: "extra_float_digits",
};

/** @satisfies {Record<string, Program & Server>} */
export const kinds = {
  redis,
  valkey: {
    ...redis,
    name: "Valkey",
    program: "valkey-server",
    debianPackage: "valkey-server",
    backports: ["bookworm"],
    elsewhere: ["macOS:          brew install valkey", docker],
  },
  // It writes into its configuration file, and is told by commands what to watch.
  sentinel: {
    ...redis,
    name: "Redis Sentinel",
    variable: undefined,
    prepare: ({ folder }) => writeFileSync(join(folder, "sentinel.conf"), ""),
    args: (folder, port, settings) => [
      join(folder, "sentinel.conf"),
      "--sentinel",
      ...flags({ bind: "127.0.0.1", ...settings, ...listening(port, settings), dir: folder }),
    ],
    ready: /Sentinel ID is/,
  },
  postgres: {
    name: "PostgreSQL",
    program: "postgres",
    versions: "/usr/lib/postgresql",
    variable: "DATABASE_URL",
    debianPackage: "postgresql",
    elsewhere: ["macOS:          brew install postgresql", docker],
    refusesRoot: true,
    prepare: ({ folder, program, user }) =>
      execFileSync(
        join(dirname(program), "initdb"),
        ["-D", join(folder, "data"), "-U", "busbar", "-A", "trust", "-N", "-E", "UTF8"],
        { ...user, cwd: folder, stdio: "pipe", env: { ...process.env, LC_ALL: "C" } },
      ),
    args: (folder, port, settings) => {
      const place = { port, listen_addresses: "127.0.0.1", unix_socket_directories: folder };
      const all = { fsync: "off", max_connections: 200, ...settings, ...place };
      return [
        "-D",
        join(folder, "data"),
        ...Object.entries(all).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
      ];
    },
    ready: /ready to accept connections/,
    url: (port) => `postgres://busbar@127.0.0.1:${port}/postgres`,
    // Killed outright, it would leave processes and shared memory behind.
    signals: { end: "SIGINT", crash: "SIGQUIT" },
  },
  // A pooler before a PostgreSQL, whose transactions may each get another connection. Its setting `server` is the port.
  pgbouncer: {
    name: "PgBouncer",
    program: "pgbouncer",
    folder: "/usr/sbin",
    debianPackage: "pgbouncer",
    elsewhere: ["macOS:          brew install pgbouncer", docker],
    refusesRoot: true,
    args: (folder, port, { server, user = "busbar", ...settings }) => {
      const all = { ...pooled, ...settings, listen_port: port };
      const lines = Object.entries(all).map(([key, value]) => `${key} = ${value}`);
      const file = join(folder, "pgbouncer.ini");
      const database = `[databases]\n* = host=127.0.0.1 port=${String(server)} user=${String(user)}`;
      writeFileSync(file, `${database}\n[pgbouncer]\n${lines.join("\n")}\n`);
      return [file];
    },
    ready: /process up/,
    url: (port) => `postgres://busbar@127.0.0.1:${port}/postgres`,
    signals: { end: "SIGINT", crash: "SIGKILL" },
  },
  nats: {
    name: "NATS",
    program: "nats-server",
    variable: "NATS_URL",
    debianPackage: "nats-server",
    elsewhere: ["macOS:          brew install nats-server", docker],
    args: (folder, port, settings) => {
      // Events of 1 MiB have some members besides their data.
      const own = { max_payload: "8MB", jetstream: "enabled", store_dir: JSON.stringify(folder) };
      const all = { ...own, ...settings, listen: `127.0.0.1:${port}` };
      const lines = Object.entries(all).map(([key, value]) => `${key}: ${natsValue(value)}`);
      const file = join(folder, "nats.conf");
      writeFileSync(file, `${lines.join("\n")}\n`);
      return [`--config=${file}`];
    },
    ready: /Server is ready/,
    url: (port) => `nats://127.0.0.1:${port}`,
    signals: { end: "SIGTERM", crash: "SIGKILL" },
  },
  rabbitmq: {
    name: "RabbitMQ",
    program: "rabbitmq-server",
    folder: "/usr/lib/rabbitmq/bin",
    variable: "RABBITMQ_URL",
    debianPackage: "rabbitmq-server",
    elsewhere: ["macOS:          brew install rabbitmq", docker],
    isScript: true,
    morePorts: 2,
    env: (folder, port, [nodesPort, namesPort]) => ({
      HOME: folder,
      RABBITMQ_NODENAME: `busbar-${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(nodesPort),
      RABBITMQ_MNESIA_BASE: join(folder, "data"),
      RABBITMQ_LOGS: "-",
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
      RABBITMQ_PID_FILE: join(folder, "pid"),
      // Nothing of a server that the machine may have.
      RABBITMQ_CONF_ENV_FILE: join(folder, "env"),
      RABBITMQ_CONFIG_FILE: join(folder, "config"),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, "advanced"),
      // Erlang's directory of names is a process of its own, which would outlive the server.
      ERL_EPMD_PORT: String(namesPort),
      ERL_EPMD_RELAXED_COMMAND_CHECK: "1",
    }),
    args: () => [],
    ready: /Server startup complete/,
    url: (port) => `amqp://guest:guest@127.0.0.1:${port}`,
    signals: { end: "SIGKILL", crash: "SIGKILL" },
    cleanUp: ([, namesPort]) =>
      spawnSync("epmd", ["-port", String(namesPort), "-kill"], { stdio: "ignore" }),
  },
};

/** What tests need beside servers. @satisfies {Record<string, Program>} */
export const tools = {
  openssl: {
    name: "OpenSSL",
    program: "openssl",
    debianPackage: "openssl",
    elsewhere: ["macOS:          brew install openssl", docker],
  },
  // The browser that opens the dashboard.
  chromium: {
    name: "Chromium",
    program: "chromium",
    pathVariable: "CHROMIUM_PATH",
    debianPackage: "chromium",
    elsewhere: ["Elsewhere:      set CHROMIUM_PATH to the program of Chromium or Chrome", docker],
  },
};

/** A Redis that is given a certificate takes connections by TLS only. */
function hasTls(settings) {
  return settings["tls-cert-file"] !== undefined;
}

function listening(port, settings) {
  return hasTls(settings) ? { port: 0, "tls-port": port } : { port };
}

/** Settings of a redis.conf as arguments. */
function flags(settings) {
  return Object.entries(settings).flatMap(([key, value]) => [
    `--${key}`,
    ...(Array.isArray(value) ? value : [String(value)]),
  ]);
}

/** A value of a nats.conf. Text is taken as it is, because it may be a size such as `8MB` or a block. */
function natsValue(value) {
  return Array.isArray(value) ? JSON.stringify(value) : String(value);
}
