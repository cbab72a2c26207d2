import type { Clock } from "@busbar/core/provider";
import {
  type Cluster,
  type ClusterNode,
  type ClusterOptions,
  Redis,
  type RedisOptions,
} from "ioredis";

/** Where Redis is: a URL, options of ioredis, or a client of the caller to make others like. */
export type ConnectionSource = string | RedisOptions | Redis | Cluster;

/** A client of the provider. */
export type RedisClient = Redis | Cluster;

/** What ioredis declares for each way of mapping replies apart; ours is the same for all. */
type Duplicate<Arguments extends readonly unknown[], Client> = {
  duplicate: (...args: Arguments) => Client;
};
type OfRedis = Duplicate<[override?: RedisOptions], Redis>;
type OfCluster = Duplicate<[nodes?: ClusterNode[], override?: ClusterOptions], Cluster>;
type Plain<Options> = Options & { readonly replyMapping: "legacy" };

/** What {@link createClient} needs. */
export interface ClientSettings {
  readonly source: ConnectionSource;
  /** Shown by `CLIENT LIST`. */
  readonly connectionName: string;
  readonly connectTimeoutMs: number;
  /** Called with each copy that BullMQ makes for a connection that blocks. */
  readonly onDuplicate: (copy: RedisClient) => void;
}

/** For ever, and soon: 50 ms, growing to 2 s. */
const retryStrategy = (times: number): number => Math.min(50 * 2 ** (times - 1), 2_000);

/** A command fails at once while Redis is away, and with the connection when that is lost. */
const IMPATIENT = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // Not null: commands whose answer was lost with the connection would neither be sent again nor fail.
  maxRetriesPerRequest: 0,
};

/** As BullMQ expects of connections that block: they wait for Redis, and fetch on. */
const PATIENT = {
  enableOfflineQueue: true,
  autoResendUnfulfilledCommands: true,
  maxRetriesPerRequest: null,
};

/** Makes a client of the provider's own. One that a user gave is only looked at. */
export function createClient(settings: ClientSettings): RedisClient {
  const { source } = settings;
  const own = ownOptions(settings);
  if (isClusterInstance(source)) return duplicateCluster(source, own, settings);
  return withPatientCopies(standalone(source, { ...own, ...IMPATIENT }), settings);
}

function standalone(source: string | RedisOptions | Redis, options: Plain<RedisOptions>): Redis {
  if (typeof source === "string") return new Redis(source, options);
  if (isInstance(source)) return (source as OfRedis).duplicate(options);
  return new Redis({ ...source, ...options });
}

function ownOptions({ connectionName, connectTimeoutMs }: ClientSettings): Plain<RedisOptions> {
  return {
    connectionName,
    connectTimeout: connectTimeoutMs,
    retryStrategy,
    sentinelRetryStrategy: retryStrategy,
    // One that accepts a connection and says nothing must not keep us from asking the next.
    sentinelCommandTimeout: connectTimeoutMs,
    // After a failover that this connection has not noticed, it still leads to the former primary.
    reconnectOnError: (error) => error.message.includes("READONLY"),
    enableReadyCheck: true,
    lazyConnect: false,
    // These would cut connections that block, or change what scripts answer.
    commandTimeout: undefined,
    socketTimeout: undefined,
    blockingTimeout: undefined,
    enableAutoPipelining: false,
    // It would be refused, and each time logged by the server, without a right that Redis before 7.2 does not know.
    disableClientInfo: true,
    monitor: false,
    readOnly: false,
    stringNumbers: false,
    replyMapping: "legacy",
  };
}

/** BullMQ duplicates the client for each worker. */
function withPatientCopies(client: Redis, { onDuplicate }: ClientSettings): Redis {
  const duplicable: OfRedis = client;
  const duplicate = duplicable.duplicate.bind(client);
  duplicable.duplicate = (override) => {
    const copy = duplicate({ ...PATIENT, ...override });
    onDuplicate(copy);
    return copy;
  };
  return client;
}

function duplicateCluster(
  source: Cluster,
  own: RedisOptions,
  { onDuplicate }: ClientSettings,
): Cluster {
  // The cluster connects to its nodes as a whole.
  const { retryStrategy: clusterRetryStrategy, readOnly: _, ...nodeOptions } = own;
  const client = (source as unknown as OfCluster).duplicate([], {
    clusterRetryStrategy: clusterRetryStrategy as typeof retryStrategy,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    lazyConnect: false,
    // A command whose answer was lost fails: only its sender knows whether it may be sent again.
    retryDelayOnFailover: 0,
    scaleReads: "master",
    enableAutoPipelining: false,
    redisOptions: {
      ...source.options.redisOptions,
      ...nodeOptions,
      maxRetriesPerRequest: null,
      // The cluster asks a node for its state while that still connects, which only a lazy one takes.
      lazyConnect: true,
    },
  });
  const duplicable = client as unknown as OfCluster;
  const duplicate = duplicable.duplicate.bind(client);
  duplicable.duplicate = (nodes, override) => {
    const copy = duplicate(nodes, { enableOfflineQueue: true, ...override });
    onDuplicate(copy);
    return copy;
  };
  return client;
}

/** Whether a value is a client of ioredis, of whichever copy of it, and not options for one. */
export function isInstance(value: unknown): value is Redis | Cluster {
  return (
    typeof value === "object" &&
    value !== null &&
    ["connect", "disconnect", "duplicate"].every(
      (method) => typeof (value as Record<string, unknown>)[method] === "function",
    )
  );
}

/** Where a client finds Redis, for messages: hosts and ports, and no password. */
export function serverOf(client: RedisClient): string {
  if (isClusterInstance(client)) {
    const { startupNodes } = client as unknown as { readonly startupNodes: readonly unknown[] };
    return `the cluster of ${startupNodes.map(hostOf).join(", ")}`;
  }
  const { path, host, port, sentinels, name } = (client as Redis).options;
  if (sentinels && sentinels.length > 0) {
    return `${name} of the sentinels ${sentinels.map(hostOf).join(", ")}`;
  }
  return path ?? hostOf({ host, port });
}

function hostOf(node: unknown): string {
  if (typeof node === "string" && URL.canParse(node)) return new URL(node).host;
  if (typeof node !== "object" || node === null) return String(node);
  const { host = "127.0.0.1", port = 6379 } = node as { readonly host?: string; port?: number };
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a value is a client of ioredis for Redis Cluster. */
export function isClusterInstance(value: unknown): value is Cluster {
  return isInstance(value) && value.isCluster;
}

/** How long an orderly end may take, in milliseconds. Who calls this ends the sockets after that. */
const PATIENCE_MS = 250;

/** Ends a client, whatever it is doing. Resolves when it has ended, or does not answer. */
export function endClient(client: RedisClient, clock: Clock): Promise<void> {
  if (client.status === "end") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimeout(resolve, PATIENCE_MS, { keepAlive: true });
    client.once("end", () => {
      timer.cancel();
      resolve();
    });
    const isParked = client.status === "reconnecting";
    client.disconnect();
    // One that waits to connect again has no socket whose end it could tell of, and says nothing.
    if (isParked && client.status === "reconnecting") client.emit("end");
  });
}

/** Reads a setting of the server. Undefined where it is forbidden to look. */
export async function serverSetting(
  client: RedisClient,
  name: string,
): Promise<string | undefined> {
  const answer: unknown = await client.config("GET", name).catch(() => undefined);
  return Array.isArray(answer) && typeof answer[1] === "string" ? answer[1] : undefined;
}
