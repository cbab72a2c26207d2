import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A Redis of a test's own, which it may stop and kill. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Starts it again after `kill`, with what it has on disk. */
  start(): Promise<void>;
  /** As `kill -9`. What was written in the last second may be lost. */
  kill(): Promise<void>;
  /** Shuts it down in order, and starts it again. */
  restart(): Promise<void>;
  /** Ends it, and removes what it has on disk. */
  stop(): Promise<void>;
}

/** Options of {@link startRedisServer}. */
export interface RedisServerOptions {
  /** As in redis.conf, such as `{ maxmemory: "10mb" }`. */
  readonly config?: Readonly<Record<string, string>> | undefined;
}

/** Starts the `redis-server` of the path on a free port, with an append-only file. */
export async function startRedisServer({
  config = {},
}: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), "busbar-redis-"));
  const port = await freePort();
  const settings = { port, dir: directory, appendonly: "yes", appendfsync: "everysec", save: "" };
  // By default it is the port + 10 000, which may be above 65 535.
  const cluster = config["cluster-enabled"] === "yes" ? { "cluster-port": await freePort() } : {};
  const args = Object.entries({ ...settings, ...cluster, ...config }).flatMap(([key, value]) => [
    `--${key}`,
    String(value),
  ]);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    child = spawn("redis-server", args, { stdio: "ignore" });
    const failed = once(child, "exit").then(([code]) => {
      throw new Error(`redis-server ended with code ${code}`);
    });
    failed.catch(() => {});
    try {
      await Promise.race([failed, untilReady(port)]);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ended = child;
    child = undefined;
    if (!ended || ended.exitCode !== null || ended.signalCode !== null) return;
    ended.kill(signal);
    await once(ended, "exit");
  }

  // Two restarts at a time are one after the other.
  let last: Promise<void> = Promise.resolve();
  const inTurn = (step: () => Promise<void>) => (): Promise<void> => {
    last = last.catch(() => {}).then(step);
    return last;
  };

  // Nothing of a run that is interrupted stays behind.
  const onExit = (): void => void child?.kill("SIGKILL");
  process.once("exit", onExit);
  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    start: inTurn(start),
    kill: inTurn(() => end("SIGKILL")),
    restart: inTurn(async () => {
      await end("SIGTERM");
      await start();
    }),
    stop: inTurn(async () => {
      process.off("exit", onExit);
      await end("SIGKILL");
      await rm(directory, { recursive: true, force: true });
    }),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("No free port");
  return address.port;
}

/** Answers PING, so it has read its files. */
async function untilReady(port: number): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if (/^(\+PONG|-NOAUTH)/.test(await firstAnswer(port))) return;
    await sleep(20);
  }
  throw new Error("redis-server did not start");
}

function firstAnswer(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      resolve(text);
      socket.destroy();
    });
    socket.on("error", () => resolve(""));
    socket.on("close", () => resolve(""));
  });
}
