import { connectToRedis, type RedisClient } from "./contestants/ioredis.ts";
import { freePort, makeFolder, startServer, versionOf } from "./server-process.ts";

/** A redis-server of one's own, empty at first. */
export interface RedisServer {
  readonly url: string;
  /** Bytes that the server holds, without the buffers of its clients. Needs the peers. */
  usedMemory(): Promise<number>;
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
      const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
      return field("used_memory") - field("mem_clients_normal");
    },
    async close() {
      client?.disconnect();
      await end();
    },
  };
}
