import { Redis } from "ioredis";
import { eventually } from "./eventually.ts";
import { type RedisServer, startRedisServer } from "./redis-server.ts";

const SLOTS = 16_384;
const PRIMARIES = 3;

/** A Redis Cluster of a test's own: three primaries, and a replica of one of them. */
export interface RedisCluster {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** A connection to each primary of the beginning. They are the test's to look with. */
  readonly primaries: readonly Redis[];
  /** The one of them that has the keys. */
  readonly primary: Redis;
  /** A copy of that one. */
  readonly replica: Redis;
  readonly replicaServer: RedisServer;
  stop(): Promise<void>;
}

/** Starts it, with a replica for whichever node has the keys that begin with a prefix. */
export async function startRedisCluster(prefix: string): Promise<RedisCluster> {
  const servers = await Promise.all(
    Array.from({ length: PRIMARIES + 1 }, () =>
      startRedisServer({
        config: {
          "cluster-enabled": "yes",
          "cluster-announce-ip": "127.0.0.1",
          "cluster-node-timeout": "1000",
          "repl-diskless-sync-delay": "0",
        },
      }),
    ),
  );
  const clients = servers.map(({ url }) => new Redis(url));
  for (const client of clients) client.on("error", () => {});
  const primaries = clients.slice(0, PRIMARIES);
  const replica = clients[PRIMARIES]!;

  for (const [index, client] of primaries.entries()) {
    const [from, to] = [index, index + 1].map((at) => Math.floor((at * SLOTS) / PRIMARIES));
    await client.cluster("ADDSLOTSRANGE", from!, to! - 1);
    // Two nodes of the same epoch would have to find one of their own first.
    await client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
  }
  for (const [index, { port }] of servers.entries()) {
    const [, busPort] = (await clients[index]!.config("GET", "cluster-port")) as string[];
    await clients[0]!.call("CLUSTER", "MEET", "127.0.0.1", port, busPort!);
  }
  await eventually(async () => {
    for (const client of clients) {
      const info = String(await client.cluster("INFO"));
      if (!info.includes("cluster_state:ok") || !info.includes(`known_nodes:${clients.length}`)) {
        throw new Error(`The cluster is not ready: ${info}`);
      }
    }
  });
  const slot = await replica.cluster("KEYSLOT", prefix);
  const owner = Math.min(Math.floor((slot * PRIMARIES) / SLOTS), PRIMARIES - 1);
  const ownerId = String(await primaries[owner]!.cluster("MYID"));
  await replica.call("CLUSTER", "REPLICATE", ownerId);
  await eventually(async () => {
    const state = await replica.info("replication");
    if (!state.includes("master_link_status:up")) throw new Error("The replica is not connected");
  });

  return {
    nodes: servers.slice(0, PRIMARIES).map(({ port }) => ({ host: "127.0.0.1", port })),
    primaries,
    primary: primaries[owner]!,
    replica,
    replicaServer: servers[PRIMARIES]!,
    async stop() {
      for (const client of clients) client.disconnect();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
