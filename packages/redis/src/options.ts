import type { QueueOptions, WorkerOptions } from "bullmq";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { findProblems } from "./options-problems.ts";

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

/** What {@link RedisProviderOptions} says of the way to Redis. */
export type ConnectionSource = string | RedisOptions | Redis | Cluster;

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
  /** Subscriptions that share a queue, by the name of the lane. */
  readonly lanes: Readonly<Record<string, readonly string[]>>;
  readonly deduplicationWindowMs: number;
  readonly lockDurationMs: number;
  readonly stalledCheckMs: number;
  /** For how long a suspect runs alone at first: see `Suspects`. */
  readonly suspectAloneMs: number;
  /** How many completed jobs BullMQ keeps, and for how many seconds. A count of -1 keeps all. */
  readonly keepCompleted: { readonly count?: number; readonly age?: number };
  readonly commandTimeoutMs: number;
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
  const [problem] = findProblems(options);
  if (problem) {
    const option = problem.path.length > 0 ? `Option ${problem.path.join(".")}` : "Its options";
    throw new TypeError(`redisProvider: ${option} ${problem.message}`);
  }
  const { redisUrl, connection, prefix, batch, workerOptions } = options;
  return {
    // One of them is there: `findProblems` has looked.
    source: (redisUrl ?? connection)!,
    prefix: (namespace) => prefix ?? `{busbar:${namespace}}`,
    batch: {
      maxEvents: batch?.maxEvents ?? 50,
      maxBytes: batch?.maxBytes ?? 64_000,
      splitAfterMs: batch?.splitAfterMs ?? 25,
      checkpointMs: batch?.checkpointMs ?? 100,
    },
    concurrency: options.concurrency,
    lanes: options.lanes ?? {},
    deduplicationWindowMs: options.deduplicationWindowMs ?? 3_600_000,
    lockDurationMs: options.lockDurationMs ?? 10_000,
    stalledCheckMs: options.stalledCheckMs ?? 5_000,
    suspectAloneMs: 1_000,
    keepCompleted: keepCompleted(options.jobOptions?.removeOnComplete ?? true),
    commandTimeoutMs: options.commandTimeoutMs ?? 5_000,
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
