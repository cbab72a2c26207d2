import { unknownKeyReason } from "@busbar/core/provider";
import type { RedisOptions } from "ioredis";
import { isClusterInstance, isInstance } from "./connection/instance.ts";
import type { RedisProviderOptions } from "./options.ts";

/** What is wrong with an option. An empty path means the options as a whole. */
export interface OptionProblem {
  readonly path: readonly string[];
  /** What it must be, to stand behind the name of the option. */
  readonly message: string;
}

type Check = (value: unknown) => readonly OptionProblem[];

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

const CHECKS: Readonly<Record<keyof RedisProviderOptions, Check>> = {
  redisUrl: rule(isRedisUrl, "must be a URL that starts with redis:// or rediss://"),
  connection: checkConnection,
  prefix: rule((value) => typeof value === "string" && value !== "", "must be a string"),
  batch: members({
    maxEvents: wholeFrom(1),
    maxBytes: wholeFrom(1),
    splitAfterMs: wholeFrom(1),
    checkpointMs: wholeFrom(1),
  }),
  concurrency: wholeFrom(1),
  lanes: checkLanes,
  deduplicationWindowMs: wholeFrom(1),
  lockDurationMs: wholeFrom(100),
  stalledCheckMs: wholeFrom(50),
  commandTimeoutMs: wholeFrom(100),
  queueOptions: members({ streams: members({ events: members({ maxLen: wholeFrom(0) }) }) }),
  workerOptions: members({
    drainDelay: rule((value) => typeof value === "number" && value > 0, "must be seconds above 0"),
    telemetry: rule(isObject, "must be a telemetry of BullMQ"),
  }),
  jobOptions: members({ removeOnComplete: checkRemoveOnComplete }),
};

/** Everything that is wrong with options, in their order. */
export function findProblems(options: unknown): readonly OptionProblem[] {
  if (!isObject(options)) return [problem("must be an object")];
  const problems = members(CHECKS)(options);
  if (problems.length > 0) return problems;
  const { redisUrl, connection, prefix } = options as RedisProviderOptions;
  if ((redisUrl === undefined) === (connection === undefined)) {
    return [problem("must say where Redis is, either by redisUrl or by connection")];
  }
  if (prefix !== undefined && isClusterInstance(connection) && !/\{[^}]+\}/.test(prefix)) {
    return [problem(`must have a hash tag for Redis Cluster, such as "{${prefix}}"`, "prefix")];
  }
  return [];
}

function problem(message: string, ...path: readonly string[]): OptionProblem {
  return { path, message };
}

/** Checks the members of an object, those that are not given excepted, and refuses others. */
function members(checks: Readonly<Record<string, Check>>): Check {
  return (value) => {
    if (!isObject(value)) return [problem("must be an object")];
    return Object.entries(value).flatMap(([key, member]) => {
      if (member === undefined) return [];
      const found = Object.hasOwn(checks, key)
        ? checks[key]!(member)
        : [problem(reasonAgainst(key, Object.keys(checks)))];
      return found.map(({ path, message }) => problem(message, key, ...path));
    });
  };
}

function reasonAgainst(key: string, known: readonly string[]): string {
  const reason = Object.hasOwn(SET_BY_THE_PROVIDER, key) ? SET_BY_THE_PROVIDER[key] : undefined;
  return reason === undefined ? unknownKeyReason(key, known) : `cannot be set: ${reason}`;
}

function rule(holds: (value: unknown) => boolean, message: string): Check {
  return (value) => (holds(value) ? [] : [problem(message)]);
}

function wholeFrom(least: number): Check {
  return rule(
    (value) => Number.isSafeInteger(value) && (value as number) >= least,
    `must be a whole number from ${least}`,
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRedisUrl(value: unknown): boolean {
  return typeof value === "string" && /^rediss?:\/\/./i.test(value) && URL.canParse(value);
}

function checkConnection(value: unknown): readonly OptionProblem[] {
  if (!isObject(value)) return [problem("must be options of ioredis, or a Redis or Cluster")];
  const options = (isInstance(value) ? value.options : value) as RedisOptions;
  // ioredis would put it before some of the keys only: BullMQ's scripts make names of their own.
  if (options.keyPrefix) return [problem("must not have a keyPrefix: give the provider a prefix")];
  if (options.sentinels && options.tls && options.enableTLSForSentinelMode === undefined) {
    const otherwise = "ioredis talks to a primary that sentinels name without TLS";
    return [problem(`must say enableTLSForSentinelMode: without it, ${otherwise}`)];
  }
  return [];
}

function checkLanes(value: unknown): readonly OptionProblem[] {
  if (!isObject(value)) return [problem("must be an object: lists of subscription ids by lane")];
  const laneOf = new Map<unknown, string>();
  return Object.entries(value).flatMap(([lane, ids]) => {
    if (lane === "") return [problem("must not have a lane without a name")];
    if (!Array.isArray(ids) || !ids.every((id) => typeof id === "string" && id !== "")) {
      return [problem("must be a list of subscription ids", lane)];
    }
    return ids.flatMap((id: string) => {
      const other = laneOf.get(id);
      laneOf.set(id, lane);
      if (other === undefined) return [];
      return [problem(`must not name "${id}" again: it is in the lane ${other}`, lane)];
    });
  });
}

function checkRemoveOnComplete(value: unknown): readonly OptionProblem[] {
  if (typeof value === "boolean") return [];
  if (typeof value === "number") return wholeFrom(0)(value);
  return members({ age: wholeFrom(1), count: wholeFrom(0) })(value);
}
