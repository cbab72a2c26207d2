import type { Redis } from "ioredis";
import type { Scripts } from "../../src/store/scripts.ts";

/** Everything that Redis holds under a prefix: each key as `DUMP` gives it. */
export type Snapshot = ReadonlyMap<string, Buffer>;

/** A call of a script, and what Redis held before. */
export interface RecordedCall {
  readonly script: keyof Scripts;
  readonly args: readonly unknown[];
  readonly before: Snapshot;
}

/** Scripts that keep a record of their calls. */
export function recordScripts(
  scripts: Scripts,
  redis: Redis,
  prefix: string,
  record: RecordedCall[],
): Scripts {
  const names = Object.keys(scripts) as (keyof Scripts)[];
  const recording = names.map((script) => {
    const call = async (...args: readonly unknown[]): Promise<unknown> => {
      record.push({ script, args, before: await takeSnapshot(redis, prefix) });
      return callScript(scripts, script, args);
    };
    return [script, call] as const;
  });
  return Object.fromEntries(recording) as unknown as Scripts;
}

export function callScript(
  scripts: Scripts,
  script: keyof Scripts,
  args: readonly unknown[],
): Promise<unknown> {
  return (scripts[script] as (...given: readonly unknown[]) => Promise<unknown>)(...args);
}

async function takeSnapshot(redis: Redis, prefix: string): Promise<Snapshot> {
  const keys = (await redis.keys(`${prefix}:*`)).toSorted();
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  // A lock may have ended meanwhile.
  return new Map(
    keys.flatMap((key, index) => (dumps[index] ? [[key, dumps[index]] as const] : [])),
  );
}

export async function restoreSnapshot(
  redis: Redis,
  prefix: string,
  snapshot: Snapshot,
): Promise<void> {
  const keys = await redis.keys(`${prefix}:*`);
  const gone = keys.length > 0 ? redis.del(...keys) : undefined;
  await Promise.all([gone, ...[...snapshot].map(([key, dump]) => redis.restore(key, 0, dump))]);
}

/** What Redis holds under a prefix, to compare: each key as text. */
export async function readContents(
  redis: Redis,
  prefix: string,
): Promise<ReadonlyMap<string, string>> {
  const keys = await redis.keys(`${prefix}:*`);
  const contents = await Promise.all(keys.map(async (key) => readKey(redis, key)));
  return new Map(keys.map((key, index) => [key, contents[index] ?? ""]));
}

async function readKey(redis: Redis, key: string): Promise<string> {
  const kind = await redis.type(key);
  switch (kind) {
    case "string":
      return `${kind} ${await redis.get(key)}`;
    case "list":
      return JSON.stringify([kind, await redis.lrange(key, 0, -1)]);
    case "hash":
      return JSON.stringify([
        kind,
        byText(Object.entries(await redis.hgetall(key)).map((it) => it.join(" "))),
      ]);
    case "set":
      return JSON.stringify([kind, byText(await redis.smembers(key))]);
    case "zset":
      return JSON.stringify([kind, await redis.zrange(key, "0", "-1", "WITHSCORES")]);
    default:
      return JSON.stringify([kind, await redis.xrange(key, "-", "+")]);
  }
}

function byText(texts: readonly string[]): readonly string[] {
  return texts.toSorted();
}

/** Keys that are not the same in both. */
export function changedKeys(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key)).toSorted();
}
