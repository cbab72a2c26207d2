import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
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

/** Keeps a snapshot in Redis, so that it is restored there, in one step. */
export async function keepSnapshot(redis: Redis, snapshot: Snapshot): Promise<string> {
  const place = `snapshot:${crypto.randomUUID()}`;
  if (snapshot.size > 0) await redis.hset(place, new Map(snapshot));
  return place;
}

const RESTORE = `
for _, key in ipairs(redis.call("KEYS", ARGV[1])) do redis.call("DEL", key) end
local kept = redis.call("HGETALL", KEYS[1])
for index = 1, #kept, 2 do redis.call("RESTORE", kept[index], 0, kept[index + 1]) end
`;

/** Makes Redis hold what {@link keepSnapshot} has kept, and nothing else under the prefix. */
export async function restoreSnapshot(redis: Redis, prefix: string, place: string): Promise<void> {
  await redis.eval(RESTORE, 1, place, `${prefix}:*`);
}

const READ = `
local contents = {}
for _, key in ipairs(redis.call("KEYS", ARGV[1])) do
  local kind = redis.call("TYPE", key).ok
  local content
  if kind == "string" then content = redis.call("GET", key)
  elseif kind == "list" then content = redis.call("LRANGE", key, 0, -1)
  elseif kind == "hash" then content = redis.call("HGETALL", key)
  elseif kind == "set" then content = redis.call("SMEMBERS", key)
  elseif kind == "zset" then content = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  else content = redis.call("XRANGE", key, "-", "+") end
  contents[#contents + 1] = { key, kind, content }
end
return contents
`;

/** Those of some keys that commands of scripts name while `work` runs. */
export async function keysTouched(
  redis: Redis,
  keys: Iterable<string>,
  work: () => Promise<unknown>,
): Promise<readonly string[]> {
  // Not with ioredis: it throws when the first line comes together with the answer to MONITOR.
  const socket = connect(redis.options.port!, redis.options.host);
  const lines = createInterface(socket);
  const end = crypto.randomUUID();
  const ofScripts: string[] = [];
  socket.write("MONITOR\r\n");
  await once(lines, "line");
  const ended = new Promise<void>((resolve) => {
    lines.on("line", (line) => {
      if (/^\+[\d.]+ \[\d+ lua\]/.test(line)) ofScripts.push(line);
      if (line.includes(end)) resolve();
    });
  });
  await work();
  await redis.echo(end);
  await ended;
  socket.destroy();
  return [...keys].filter((key) => ofScripts.some((line) => line.includes(`"${key}"`)));
}

/** Everything that Redis holds under a prefix, to compare: each key as text. */
export async function readContents(
  redis: Redis,
  prefix: string,
): Promise<ReadonlyMap<string, string>> {
  const contents = (await redis.eval(READ, 0, `${prefix}:*`)) as [string, string, unknown][];
  return new Map(
    contents.map(([key, kind, content]) => [key, JSON.stringify([kind, inOrder(kind, content)])]),
  );
}

/** The content of a key in an order that depends on nothing but the content. */
function inOrder(kind: string, content: unknown): unknown {
  if (kind === "set") return (content as readonly string[]).toSorted();
  if (kind !== "hash") return content;
  const words = content as readonly string[];
  const fields = words.flatMap((name, at) => (at % 2 === 0 ? [`${name} ${words[at + 1]}`] : []));
  return fields.toSorted();
}

/** Keys that are not the same in both. */
export function changedKeys(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key)).toSorted();
}
