import { connectToRedis, type RedisClient } from "./contestants/ioredis.ts";
import { freePort, makeFolder, startServer, versionOf } from "./server-process.ts";

/** A redis-server of one's own, empty at first. */
export interface RedisServer {
  readonly url: string;
  /** Bytes that the server holds, without the buffers of its clients. Needs the peers. */
  usedMemory(): Promise<number>;
  /** Commands that the server has run, those of scripts included. Needs the peers. */
  commands(): Promise<number>;
  close(): Promise<void>;
}

/** The version of the installed redis-server, or undefined when there is none. */
export function redisServerVersion(): string | undefined {
  return /v=(\S+)/.exec(versionOf("redis-server") ?? "")?.[1];
}

/**
 * Starts a redis-server on a free port of this machine. It writes nothing to the disk, neither
 * snapshots nor a log of commands: the disk is not measured. All else is Redis's default.
 */
export async function startRedisServer(): Promise<RedisServer> {
  const folder = makeFolder();
  const port = await freePort();
  const where = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
  const end = await startServer(folder, {
    program: "redis-server",
    args: [...where, "--save", "", "--appendonly", "no"],
    output: "stdout",
    endBy: "SIGKILL",
  });
  const url = `redis://127.0.0.1:${port}`;
  // Made when it is needed: it is a package of others.
  let client: RedisClient | undefined;
  return {
    url,
    async usedMemory() {
      client ??= connectToRedis(url);
      const info = await client.info("memory");
      return fieldOf(info, "used_memory") - fieldOf(info, "mem_clients_normal");
    },
    async commands() {
      client ??= connectToRedis(url);
      return fieldOf(await client.info("stats"), "total_commands_processed");
    },
    async close() {
      client?.disconnect();
      await end();
    },
  };
}

function fieldOf(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
}
