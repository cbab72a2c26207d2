// @boundaries-ignore the servers of all tests
import { freePort, startServer, type TestServer } from "../../../../.ci/servers/start-server.mjs";

/** A Redis of a test's own, which it may stop and kill. */
export type RedisServer = TestServer;

/** Options of {@link startRedisServer}. */
export interface RedisServerOptions {
  /**
   * Which of the two it is.
   *
   * @default what `BUSBAR_TEST_SERVER` says, or "redis"
   */
  readonly kind?: "redis" | "valkey" | undefined;
  /** As in redis.conf, such as `{ maxmemory: "10mb" }`. A list is several words. */
  readonly config?: Readonly<Record<string, string | readonly string[]>> | undefined;
}

/** Starts a Redis, or a Valkey, on a free port, with an append-only file. */
export async function startRedisServer({
  kind = process.env["BUSBAR_TEST_SERVER"] === "valkey" ? "valkey" : "redis",
  config = {},
}: RedisServerOptions = {}): Promise<RedisServer> {
  // By default it is the port + 10 000, which may be above 65 535.
  const cluster = config["cluster-enabled"] === "yes" ? { "cluster-port": await freePort() } : {};
  return startServer(kind, { settings: { ...cluster, ...config } });
}
