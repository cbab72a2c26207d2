import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connectToRedis, type RedisClient } from "./contestants/ioredis.ts";

/** A redis-server of one's own, empty at first. */
export interface RedisServer {
  readonly url: string;
  /** Bytes that the server holds, without the buffers of its clients. Needs the peers. */
  usedMemory(): Promise<number>;
  close(): Promise<void>;
}

/** The version of the installed redis-server, or undefined when there is none. */
export function redisServerVersion(): string | undefined {
  try {
    const text = execFileSync("redis-server", ["--version"], { encoding: "utf8" });
    return /v=(\S+)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

/**
 * Starts a redis-server on a free port of this machine. It writes nothing to the disk, neither
 * snapshots nor a log of commands: the disk is not measured. All else is Redis's default.
 */
export async function startRedisServer(): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-benchmark-"));
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
  const server = spawn("redis-server", [...args, "--save", "", "--appendonly", "no"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => server.kill("SIGKILL");
  process.once("exit", kill);
  await ready(server);
  const url = `redis://127.0.0.1:${port}`;
  // Made when it is needed: it is a package of others.
  let client: RedisClient | undefined;
  return {
    url,
    async usedMemory() {
      client ??= connectToRedis(url);
      const info = await client.info("memory");
      const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
      return field("used_memory") - field("mem_clients_normal");
    },
    async close() {
      client?.disconnect();
      const closed = once(server, "close");
      kill();
      await closed;
      process.off("exit", kill);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ready(server: ChildProcess): Promise<void> {
  if (server.stdout === null) throw new Error("redis-server has no output");
  for await (const line of createInterface({ input: server.stdout })) {
    if (!line.includes("Ready to accept connections")) continue;
    // Nobody reads the rest, and it must not fill the pipe.
    server.stdout.resume();
    return;
  }
  throw new Error("redis-server ended before it was ready");
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  if (address === null || typeof address === "string") throw new Error("No port");
  probe.close();
  await once(probe, "close");
  return address.port;
}
