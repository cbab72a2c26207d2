import type { QueueOptions, WorkerOptions } from "bullmq";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import {
  type Checks,
  checks,
  createOptionsSchema,
  type EventModule,
  optionError,
  type OptionCheck,
  type OptionIssue,
  optionIssues,
} from "@busbar/core/provider";
import { type ConnectionSource, isClusterInstance, isInstance } from "./connection/client.ts";

/** How deliveries are packed into BullMQ's jobs. */
export interface BatchOptions {
  /**
   * The most events in one job. 1 gives every delivery a job of its own, at a tenth of the speed.
   *
   * @default 50
   */
  readonly maxEvents?: number | undefined;
  /**
   * The most bytes of events in one job. An event that is larger gets a job of its own.
   *
   * @default 64_000
   */
  readonly maxBytes?: number | undefined;
  /**
   * Milliseconds after which the part of a job that has not started is given back, for others to take.
   *
   * @default 25
   */
  readonly splitAfterMs?: number | undefined;
  /**
   * Milliseconds after which the acknowledgements inside an unfinished job are written down at the
   * latest. A crash repeats at most what was acknowledged since.
   *
   * @default 100
   */
  readonly checkpointMs?: number | undefined;
}

/** Options of {@link redisProvider}. Give either `redisUrl` or `connection`. */
export interface RedisProviderOptions {
  /** Where Redis is: `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly redisUrl?: string | undefined;
  /**
   * Options of ioredis, such as `sentinels` and `tls`, or a `Redis` or `Cluster` of yours. Yours stays
   * yours: the provider makes connections like it, and neither uses nor closes it.
   */
  readonly connection?: RedisOptions | Redis | Cluster | undefined;
  /**
   * What the names of all keys start with. Redis Cluster needs a hash tag in it, which puts all keys of
   * a bus on one node.
   *
   * @default "{busbar:<name of the bus>}"
   */
  readonly prefix?: string | undefined;
  /** How deliveries are packed into BullMQ's jobs. */
  readonly batch?: BatchOptions | undefined;
  /**
   * Deliveries of all subscriptions together that run at a time in this process.
   *
   * @default as many as the subscriptions allow, each for itself
   */
  readonly concurrency?: number | undefined;
  /**
   * Subscriptions that share a queue and the connection that it costs: ids, or the start of ids with a
   * `*` at the end, by the name of the lane. They give up their isolation from each other.
   *
   * @default none: every subscription has a queue of its own
   */
  readonly lanes?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Milliseconds for which a subscription remembers a `deduplicationId`.
   *
   * @default 3_600_000 (1 hour)
   */
  readonly deduplicationWindowMs?: number | undefined;
  /**
   * Milliseconds after which another process may take what a process that died had in hand. Renewed
   * while a handler runs, however long that is.
   *
   * @default 10_000
   */
  readonly lockDurationMs?: number | undefined;
  /**
   * Milliseconds between two looks for what dead processes have left.
   *
   * @default 5_000
   */
  readonly stalledCheckMs?: number | undefined;
  /**
   * Milliseconds without an answer after which a connection is given up and replaced.
   *
   * @default 5_000
   */
  readonly commandTimeoutMs?: number | undefined;
  /**
   * What an emit does while the connection to Redis is known to be lost. `"wait"`: it waits for Redis, and rejects
   * at its time limit (`emitTimeoutMs` of the bus, 10 seconds). `"reject"`: it rejects at once with
   * `BUSBAR_UNAVAILABLE`, for callers that would rather answer than wait. An emit that is under way when the
   * connection is lost then rejects as well, and whether Redis has stored its events is not known.
   *
   * A connection that has gone silent is known to be lost after `commandTimeoutMs`. The outbox tries again in
   * either case.
   *
   * @default "wait"
   */
  readonly whenDown?: "wait" | "reject" | undefined;
  /**
   * BullMQ's options of queues: how many entries `streams.events.maxLen` keeps in each queue's stream
   * of events, which dashboards read.
   *
   * @default { streams: { events: { maxLen: 1_000 } } }
   */
  readonly queueOptions?: Pick<QueueOptions, "streams"> | undefined;
  /**
   * BullMQ's options of workers that keep the provider's promises: `drainDelay`, in seconds, and
   * `telemetry`.
   *
   * @default { drainDelay: 5 }
   */
  readonly workerOptions?: Pick<WorkerOptions, "drainDelay" | "telemetry"> | undefined;
  /**
   * BullMQ's options of jobs: how many completed ones `removeOnComplete` leaves for dashboards, and
   * with `age` for how many seconds. `false` leaves all of them, for ever.
   *
   * @default { removeOnComplete: true }
   */
  readonly jobOptions?:
    | {
        readonly removeOnComplete?:
          | boolean
          | number
          | { readonly age?: number; readonly count?: number }
          | undefined;
      }
    | undefined;
}

/** Options of the provider with their defaults filled in. */
export interface ResolvedOptions {
  readonly source: ConnectionSource;
  readonly prefix: (namespace: string) => string;
  readonly batch: {
    readonly maxEvents: number;
    readonly maxBytes: number;
    readonly splitAfterMs: number;
    readonly checkpointMs: number;
  };
  /** Deliveries of all subscriptions that run at a time in this process. */
  readonly concurrency: number | undefined;
  /** Ids of subscriptions that share a queue, by the name of that queue: the option `lanes`. */
  readonly sharedQueues: Readonly<Record<string, readonly string[]>>;
  readonly deduplicationWindowMs: number;
  readonly lockDurationMs: number;
  readonly stalledCheckMs: number;
  /** For how long a suspect runs alone at first: see `Suspects`. */
  readonly suspectAloneMs: number;
  /** How many completed jobs BullMQ keeps, and for how many seconds. A count of -1 keeps all. */
  readonly keepCompleted: { readonly count?: number; readonly age?: number };
  readonly commandTimeoutMs: number;
  readonly whenDown: "wait" | "reject";
  /** The most entries in a queue's stream of events: `opts.maxLenEvents` in the queue's meta. */
  readonly maxLenEvents: number;
  /** For every BullMQ `Worker`. `drainDelay` is in seconds, as BullMQ has it. */
  readonly worker: Pick<WorkerOptions, "drainDelay" | "telemetry">;
}

/**
 * Checks the options, and fills in what is not given.
 *
 * @throws TypeError that names the first bad option and what it must be.
 */
export function resolveOptions(options: RedisProviderOptions): ResolvedOptions {
  const [issue] = findIssues(options ?? {});
  if (issue) throw optionError("redisProvider()", issue);
  const { redisUrl, connection, prefix, batch, workerOptions } = options;
  return {
    // One of them is there: `findIssues` has looked.
    source: (redisUrl ?? connection)!,
    prefix: (namespace) => prefix ?? `{busbar:${namespace}}`,
    batch: {
      maxEvents: batch?.maxEvents ?? 50,
      maxBytes: batch?.maxBytes ?? 64_000,
      splitAfterMs: batch?.splitAfterMs ?? 25,
      checkpointMs: batch?.checkpointMs ?? 100,
    },
    concurrency: options.concurrency,
    sharedQueues: options.lanes ?? {},
    deduplicationWindowMs: options.deduplicationWindowMs ?? 3_600_000,
    lockDurationMs: options.lockDurationMs ?? 10_000,
    stalledCheckMs: options.stalledCheckMs ?? 5_000,
    suspectAloneMs: 1_000,
    keepCompleted: keepCompleted(options.jobOptions?.removeOnComplete ?? true),
    commandTimeoutMs: options.commandTimeoutMs ?? 5_000,
    whenDown: options.whenDown ?? "wait",
    maxLenEvents: options.queueOptions?.streams?.events.maxLen ?? 1_000,
    worker: { ...workerOptions, drainDelay: workerOptions?.drainDelay ?? 5 },
  };
}

function keepCompleted(
  remove: boolean | number | { readonly age?: number; readonly count?: number },
): ResolvedOptions["keepCompleted"] {
  if (typeof remove === "object") return remove;
  if (typeof remove === "number") return { count: remove };
  return { count: remove ? 0 : -1 };
}

/** BullMQ's options that the provider has to set itself, and what they would break. */
const SET_BY_THE_PROVIDER: Readonly<Record<string, string>> = {
  autorun: "the provider fetches jobs itself",
  concurrency: "it is an option of each subscriber, and of the provider for all of them",
  connection: "it is an option of the provider",
  limiter: "a queue that waits would delay every event of the subscription",
  lockDuration: "it is the provider's option lockDurationMs",
  lockRenewTime: "the provider renews locks itself",
  maxStalledCount: "BullMQ would fail jobs behind the bus's back, and their events would be lost",
  maxStartedAttempts:
    "BullMQ would fail jobs behind the bus's back, and their events would be lost",
  name: "the provider names workers after the process",
  prefix: "it is an option of the provider",
  removeOnComplete: "it belongs into jobOptions",
  removeOnFail: "the bus keeps dead letters itself",
  skipLockRenewal: "another process would take what is in hand here",
  skipStalledCheck: "what a dead process had in hand would never come back",
  stalledInterval: "it is the provider's option stalledCheckMs",
  attempts: "retries are the bus's: give subscribers attempts",
  backoff: "retries are the bus's: give subscribers a backoff",
  delay: "it is an option of each emit",
  priority: "it is an option of each emit",
  defaultJobOptions: "jobs are packs of events: see jobOptions",
};

const CHECKS: Checks<RedisProviderOptions> = {
  redisUrl: rule(isRedisUrl, "must be a URL that starts with redis:// or rediss://"),
  connection: checkConnection,
  prefix: rule((value) => typeof value === "string" && value !== "", "must be a string"),
  batch: within({
    maxEvents: checks.wholeFrom(1),
    maxBytes: checks.wholeFrom(1),
    splitAfterMs: checks.wholeFrom(1),
    checkpointMs: checks.wholeFrom(1),
  }),
  concurrency: checks.wholeFrom(1),
  lanes: checkLanes,
  deduplicationWindowMs: checks.wholeFrom(1),
  lockDurationMs: checks.wholeFrom(100),
  stalledCheckMs: checks.wholeFrom(50),
  commandTimeoutMs: checks.wholeFrom(100),
  whenDown: rule((value) => value === "wait" || value === "reject", 'must be "wait" or "reject"'),
  queueOptions: within({ streams: within({ events: within({ maxLen: checks.wholeFrom(0) }) }) }),
  workerOptions: within({
    drainDelay: rule((value) => typeof value === "number" && value > 0, "must be seconds above 0"),
    telemetry: rule(isObject, "must be a telemetry of BullMQ"),
  }),
  jobOptions: within({ removeOnComplete: checkRemoveOnComplete }),
};

/** Everything that is wrong with options, in their order. */
function findIssues(options: unknown): readonly OptionIssue[] {
  const issues = optionIssues(options, CHECKS, explainRefused);
  if (issues.length > 0) return issues;
  const { redisUrl, connection, prefix } = options as RedisProviderOptions;
  if ((redisUrl === undefined) === (connection === undefined)) {
    const reason = "must say where Redis is, either by redisUrl or by connection";
    return [{ path: [], reason }];
  }
  if (prefix !== undefined && isClusterInstance(connection) && !/\{[^}]+\}/.test(prefix)) {
    const reason = `must have a hash tag for Redis Cluster, such as "{${prefix}}"`;
    return [{ path: ["prefix"], reason }];
  }
  return [];
}

function within(its: Readonly<Record<string, OptionCheck>>): OptionCheck {
  return (value) => optionIssues(value, its, explainRefused);
}

function explainRefused(name: string): string | undefined {
  const reason = Object.hasOwn(SET_BY_THE_PROVIDER, name) ? SET_BY_THE_PROVIDER[name] : undefined;
  return reason === undefined ? undefined : `cannot be set: ${reason}`;
}

function rule(holds: (value: unknown) => boolean, reason: string): OptionCheck {
  return (value) => (holds(value) ? undefined : reason);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRedisUrl(value: unknown): boolean {
  return typeof value === "string" && /^rediss?:\/\/./i.test(value) && URL.canParse(value);
}

function checkConnection(value: unknown): string | undefined {
  if (!isObject(value)) return "must be options of ioredis, or a Redis or Cluster";
  const options = (isInstance(value) ? value.options : value) as RedisOptions;
  // ioredis would put it before some of the keys only: BullMQ's scripts make names of their own.
  if (options.keyPrefix) return "must not have a keyPrefix: give the provider a prefix";
  if (options.sentinels && options.tls && options.enableTLSForSentinelMode === undefined) {
    const otherwise = "ioredis talks to a primary that sentinels name without TLS";
    return `must say enableTLSForSentinelMode: without it, ${otherwise}`;
  }
  return undefined;
}

function checkLanes(value: unknown): string | readonly OptionIssue[] {
  if (!isObject(value)) return "must be an object: lists of subscription ids by lane";
  const queueOf = new Map<unknown, string>();
  return Object.entries(value).flatMap(([queue, ids]): OptionIssue[] => {
    const path = [queue];
    if (queue === "") return [{ path: [], reason: "must not have a lane without a name" }];
    if (!Array.isArray(ids) || !ids.every((id) => typeof id === "string" && id !== "")) {
      return [{ path, reason: "must be a list of subscription ids" }];
    }
    return ids.flatMap((id: string) => {
      const other = queueOf.get(id);
      queueOf.set(id, queue);
      if (other === undefined) return [];
      return [{ path, reason: `must not name "${id}" again: it is in the lane ${other}` }];
    });
  });
}

function checkRemoveOnComplete(value: unknown): string | readonly OptionIssue[] | undefined {
  if (typeof value === "boolean") return undefined;
  if (typeof value === "number") return checks.wholeFrom(0)(value);
  return within({ age: checks.wholeFrom(1), count: checks.wholeFrom(0) })(value);
}

/** The options of a configuration. */
export const optionsSchema: NonNullable<EventModule<RedisProviderOptions>["options"]> =
  createOptionsSchema(findIssues);
