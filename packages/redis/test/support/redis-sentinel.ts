import { Redis, type RedisOptions } from "ioredis";
// @boundaries-ignore the servers of all tests
import { startServer, type TestServer } from "../../../../.ci/servers/start-server.mjs";
import { eventually } from "./eventually.ts";
import type { RedisServerOptions } from "./redis-server.ts";

const SENTINELS = 3;
/** More than half of them. */
const QUORUM = 2;

/** A primary and a replica, and three sentinels that watch them, of a test's own. */
export interface RedisSentinel {
  /** Options of ioredis that lead to the primary. */
  readonly connection: Pick<RedisOptions, "name" | "sentinels">;
  readonly sentinels: readonly TestServer[];
  primary(): Promise<TestServer>;
  /** A connection to a node itself. It is closed by `stop`. */
  client(node: TestServer): Redis;
  /** Resolves when the replica has everything that the primary has answered for until now. */
  caughtUp(): Promise<void>;
  /** Resolves when another node is the primary. */
  failedOver(from: TestServer): Promise<void>;
  /** Has all run again, and resolves when a primary has a replica, and all sentinels know of it. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisSentinelOptions {
  readonly name: string;
  /** Of all servers. */
  readonly config?: RedisServerOptions["config"];
  /** For the test's own connections to them. */
  readonly access?: Pick<RedisOptions, "tls">;
}

/** Starts them. A primary that does not answer for a second is replaced. */
export async function startRedisSentinel({
  name,
  config = {},
  access = {},
}: RedisSentinelOptions): Promise<RedisSentinel> {
  const settings = { "repl-diskless-sync-delay": 0, "repl-timeout": 5, ...config };
  const first = await startServer("redis", { settings });
  const replicaof = ["127.0.0.1", String(first.port)];
  const second = await startServer("redis", { settings: { ...settings, replicaof } });
  const nodes = [first, second];
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, () => startServer("sentinel", { settings: config })),
  );
  const clients = new Map<TestServer, Redis>();

  function client(server: TestServer): Redis {
    let found = clients.get(server);
    if (!found) {
      found = new Redis({ host: "127.0.0.1", port: server.port, commandTimeout: 2_000, ...access });
      found.on("error", () => {});
      clients.set(server, found);
    }
    return found;
  }

  for (const sentinel of sentinels) {
    const to = client(sentinel);
    await to.call("SENTINEL", "MONITOR", name, "127.0.0.1", first.port, QUORUM);
    for (const [key, value] of Object.entries({
      "down-after-milliseconds": 1_000,
      "failover-timeout": 3_000,
    })) {
      await to.call("SENTINEL", "SET", name, key, value);
    }
    // By default they learn of each other, and of a change, within some seconds.
    for (const [period, ms] of Object.entries({ "info-period": 1_000, "publish-period": 100 })) {
      await to.call("SENTINEL", "DEBUG", period, ms);
    }
  }

  async function primaryOf(sentinel: TestServer): Promise<TestServer | undefined> {
    const answer = await client(sentinel).call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name);
    return nodes.find(({ port }) => String(port) === (answer as readonly string[])[1]);
  }

  async function primary(): Promise<TestServer> {
    const found = await Promise.any(sentinels.map(primaryOf));
    if (!found) throw new Error("The sentinels name another primary");
    return found;
  }

  async function caughtUp(): Promise<void> {
    const to = client(await primary());
    // The copy is a stream: who has this has what came before.
    await to.set("mark", 1);
    await eventually(async () => {
      if ((await to.wait(1, 1_000)) < 1) throw new Error("The replica lags behind");
    });
  }

  async function whole(): Promise<void> {
    await eventually(async () => {
      const named = await Promise.all(sentinels.map(primaryOf));
      if (new Set(named).size > 1) throw new Error("The sentinels do not agree");
      for (const sentinel of sentinels) {
        const answer = (await client(sentinel).call("SENTINEL", "MASTER", name)) as string[];
        const field = (key: string): string | undefined => answer[answer.indexOf(key) + 1];
        const known = [field("num-slaves"), field("num-other-sentinels"), field("flags")].join();
        if (known !== `1,${SENTINELS - 1},master`) throw new Error(`A sentinel knows ${known}`);
        const [replica] = (await client(sentinel).call("SENTINEL", "REPLICAS", name)) as string[][];
        if (replica?.[replica.indexOf("flags") + 1] !== "slave") throw new Error("No replica");
      }
    });
    await caughtUp();
  }

  await whole();
  return {
    connection: { name, sentinels: sentinels.map(({ port }) => ({ host: "127.0.0.1", port })) },
    sentinels,
    primary,
    client,
    caughtUp,
    failedOver: (from) =>
      eventually(async () => {
        const now = await primary();
        if (now === from) throw new Error("The sentinels name the former primary");
        const [role] = await client(now).role();
        if (role !== "master") throw new Error(`The new primary is a ${String(role)}`);
      }, 15_000),
    async heal() {
      for (const server of [...nodes, ...sentinels]) server.thaw();
      for (const node of nodes) {
        if (!node.isRunning) await node.start();
        await eventually(() => client(node).client("UNPAUSE"));
      }
      await whole();
    },
    async stop() {
      for (const each of clients.values()) each.disconnect();
      await Promise.all([...nodes, ...sentinels].map((server) => server.stop()));
    },
  };
}
