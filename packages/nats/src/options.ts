import {
  type Checks,
  checks,
  createOptionsSchema,
  type EventModule,
  optionError,
  type OptionIssue,
  optionIssues,
} from "@busbar/core/provider";
import type { NatsConnection, NodeConnectionOptions } from "@nats-io/transport-node";

/** Options of {@link natsProvider}. Give one of `servers` and `connection`. */
export interface NatsProviderOptions {
  /**
   * Where NATS is: `nats://127.0.0.1:4222`, or the addresses of several servers of one cluster. The provider opens a
   * connection, and closes the connection when it stops.
   *
   * @default "nats://127.0.0.1:4222"
   */
  readonly servers?: string | readonly string[] | undefined;
  /**
   * Options of the connection that the provider opens: `user`, `pass`, `token`, `authenticator`, `tls` and others of
   * `@nats-io/transport-node`. For a file of credentials, use `authenticator: credsAuthenticator(bytes)`.
   */
  readonly connect?: Omit<NodeConnectionOptions, "servers"> | undefined;
  /**
   * A connection of yours, which stays open. Set `maxReconnectAttempts: -1`: without it, the connection ends when NATS is
   * away for too long.
   */
  readonly connection?: NatsConnection | undefined;
  /**
   * The start of the names of all streams and subjects of the bus. No two buses may have the same one. Letters, digits,
   * `-` and `_`.
   *
   * @default "busbar-<name of the bus>"
   */
  readonly prefix?: string | undefined;
  /**
   * How many servers keep each event. With 3, no event is lost when one server is lost.
   *
   * @default 1
   */
  readonly replicas?: number | undefined;
  /**
   * Streams that the events are spread over, so that a bus grows with its cluster. The number of a bus may grow: a start
   * with more partitions adds them. It cannot shrink.
   *
   * @default 1
   */
  readonly partitions?: number | undefined;
  /**
   * Bytes of pending events that each partition keeps. Beyond the limit, NATS takes no new events, and `emit` rejects.
   *
   * @default no limit
   */
  readonly maxBytes?: number | undefined;
  /**
   * Milliseconds after which NATS delivers the deliveries of a process that died to another process. Renewed while a
   * handler runs, however long that is.
   *
   * @default 15_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds for which a `deduplicationId` is remembered.
   *
   * @default 3_600_000 (1 hour)
   */
  readonly deduplicationWindowMs?: number | undefined;
  /**
   * Milliseconds without an answer after which a request fails.
   *
   * @default 5_000
   */
  readonly answerWithinMs?: number | undefined;
}

/** The options, with their defaults. */
export interface ResolvedOptions extends Pick<
  NatsProviderOptions,
  "connect" | "connection" | "prefix" | "maxBytes"
> {
  readonly servers: string | readonly string[];
  readonly replicas: number;
  readonly partitions: number;
  readonly leaseMs: number;
  readonly deduplicationWindowMs: number;
  readonly answerWithinMs: number;
}

const CHECKS: Checks<NatsProviderOptions> = {
  servers: checkServers,
  connect: checkConnect,
  connection: checkConnection,
  prefix: checkPrefix,
  replicas: checks.wholeFrom(1),
  partitions: checks.wholeFrom(1),
  maxBytes: checks.wholeFrom(1),
  leaseMs: checks.wholeFrom(100),
  deduplicationWindowMs: checks.wholeFrom(100),
  answerWithinMs: checks.wholeFrom(100),
};

/** The options of a configuration. */
export const optionsSchema: NonNullable<EventModule<NatsProviderOptions>["options"]> =
  createOptionsSchema(findIssues);

/**
 * Checks options, and fills in defaults.
 *
 * @throws TypeError when an option has an invalid value.
 */
export function resolveOptions(options: NatsProviderOptions): ResolvedOptions {
  const [issue] = findIssues(options);
  if (issue) throw optionError("natsProvider()", issue);
  const { servers = "nats://127.0.0.1:4222", connect, connection, prefix, maxBytes } = options;
  const { replicas = 1, partitions = 1, leaseMs = 15_000, answerWithinMs = 5_000 } = options;
  const { deduplicationWindowMs = 3_600_000 } = options;
  const place = { servers, connect, connection, prefix, maxBytes };
  return { ...place, replicas, partitions, leaseMs, deduplicationWindowMs, answerWithinMs };
}

function findIssues(value: unknown): readonly OptionIssue[] {
  const issues = optionIssues(value, CHECKS);
  if (issues.length > 0) return issues;
  const { servers, connect, connection } = value as NatsProviderOptions;
  if (connection && (servers !== undefined || connect !== undefined)) {
    return [{ path: ["connection"], reason: "cannot be combined with servers or connect" }];
  }
  return [];
}

function checkServers(value: unknown): string | undefined {
  const isText = (it: unknown): boolean => typeof it === "string" && it !== "";
  const isValid = Array.isArray(value) ? value.length > 0 && value.every(isText) : isText(value);
  return isValid
    ? undefined
    : "must be an address such as nats://127.0.0.1:4222, or an array of them";
}

function checkConnect(value: unknown): string | undefined {
  const isObject = typeof value === "object" && value !== null;
  return isObject ? undefined : "must be an object with options of @nats-io/transport-node";
}

function checkConnection(value: unknown): string | undefined {
  const isConnection = typeof value === "object" && value !== null && "status" in value;
  return isConnection ? undefined : "must be a connection of @nats-io/transport-node";
}

function checkPrefix(value: unknown): string | undefined {
  const isName = typeof value === "string" && /^[\w-]{1,100}$/.test(value);
  return isName ? undefined : "must be 1 to 100 letters, digits, - and _";
}
