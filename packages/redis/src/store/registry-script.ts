import { POLICY_LIBRARY } from "./policies-script.ts";
import { READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

/** Changes to the list of subscriptions. ARGV[1] of the script, as JSON. */
export interface SaveRequest {
  /** Prefix of our own keys, with its last colon. */
  readonly own: string;
  /** The version of the list that the changes are made to. */
  readonly version: string;
  /** Records by id, each as JSON. */
  readonly set: readonly (readonly [id: string, record: string])[];
  /** Ids of subscriptions that were declared now. */
  readonly seen: readonly string[];
  /** Fields of the hash of policies: what was declared now. */
  readonly policies: readonly string[];
  /** Ids of subscriptions that nobody declares any more. */
  readonly unseen: readonly string[];
  /** Key prefixes of queues of theirs, and the most entries that their streams of events keep. */
  readonly queues: readonly string[];
  readonly maxLenEvents: number;
  /** Whose dead letters, policies and starts of runs become whose. */
  readonly moves: readonly (readonly [from: string, to: string])[];
  /** Nothing is written if the subscription was declared within that many milliseconds. */
  readonly ended?: { readonly id: string; readonly afterMs: number };
}

/**
 * `stale`: the list is another one by now, and nothing was done. `live`: nothing was done, because the subscription
 * has not ended.
 */
export type SaveAnswer =
  | readonly ["stale"]
  | readonly ["live"]
  | readonly ["saved", version: string];

/**
 * A version is `<birth>-<number>`: when the list was begun, and a time, or later. None is used twice, not
 * even by a Redis that has lost its data, and then the birth is another one.
 */
export const NEXT_VERSION: string = `${SERVER_TIME}
local function next_version(key, version)
  local birth, number = string.match(version, "^(%d+)-(%d+)$")
  local now = string.format("%.0f", server_now())
  version = (birth or now) .. "-" ..
    (number and string.format("%.0f", math.max(tonumber(number) + 1, tonumber(now))) or now)
  redis.call("SET", key, version)
  return version
end
`;

/** Tells lists apart: another one means that Redis has forgotten all that it knew. */
export function birthOf(version: string): string {
  return version.split("-")[0] as string;
}

/**
 * Reads the list of subscriptions. KEYS[1]: its version. ARGV: prefix of our own keys, and the version that
 * is known, of which there is nothing to read. A script, because a Redis that is full refuses even a MULTI
 * that only reads.
 */
export const READ_SCRIPT = `
local version = redis.call("GET", KEYS[1]) or "0"
if version == ARGV[2] then return { version, {} } end
return { version, redis.call("HGETALL", ARGV[1] .. "subscriptions") }
`;

/** KEYS[1]: the version of the list. */
export const SAVE_SCRIPT: string = `${READING}${NEXT_VERSION}${POLICY_LIBRARY}
local request = cjson.decode(ARGV[1])
local own = request.own
local version = redis.call("GET", KEYS[1]) or "0"
if version ~= request.version then return { "stale" } end
expect(own .. "subscriptions", "hash")
expect(own .. "seen", "zset")
expect(own .. "withheld", "hash")
expect(own .. "policies", "hash")
for _, queue in ipairs(request.queues) do expect(queue .. "meta", "hash") end
for _, move in ipairs(request.moves) do
  for _, id in ipairs(move) do
    expect(own .. "dead:" .. id, "zset")
    expect(own .. "dead-info:" .. id, "hash")
    expect(own .. "dead-data:" .. id, "hash")
    expect(own .. "rate:" .. id, "zset")
  end
end
local now = server_now()
if request.ended then
  local seenAt = tonumber(redis.call("ZSCORE", own .. "seen", request.ended.id) or 0)
  if now - seenAt <= request.ended.afterMs then return { "live" } end
end
-- Tells a Redis that is full that this script must not be refused: who cannot start cannot drain.
redis.call("ZREM", own .. "seen", "")

for _, change in ipairs(request.set) do
  redis.call("HSET", own .. "subscriptions", change[1], change[2])
end
for _, queue in ipairs(request.queues) do
  redis.call("HSET", queue .. "meta", "opts.maxLenEvents", request.maxLenEvents)
end
for _, id in ipairs(request.seen) do redis.call("ZADD", own .. "seen", now, id) end
for _, move in ipairs(request.moves) do move_policies(own, move[1], move[2]) end
for _, field in ipairs(request.policies) do
  redis.call("HSET", own .. "policies", field, string.format("%.0f", now))
end
for _, id in ipairs(request.unseen) do
  move_policies(own, id)
  redis.call("ZREM", own .. "seen", id)
  redis.call("HDEL", own .. "withheld", id)
end
for _, move in ipairs(request.moves) do
  local from, to = move[1], move[2]
  local ids = own .. "dead:"
  if redis.call("EXISTS", ids .. from) == 1 then
    redis.call("ZUNIONSTORE", ids .. to, 2, ids .. to, ids .. from, "AGGREGATE", "MAX")
    redis.call("DEL", ids .. from)
    for _, hash in ipairs({ own .. "dead-info:", own .. "dead-data:" }) do
      local entries = redis.call("HGETALL", hash .. from)
      for index = 1, #entries, 2 do
        redis.call("HSET", hash .. to, entries[index], entries[index + 1])
      end
      redis.call("DEL", hash .. from)
    end
  end
  local starts = own .. "rate:"
  if redis.call("EXISTS", starts .. from) == 1 then
    local ttl = math.max(redis.call("PTTL", starts .. from), redis.call("PTTL", starts .. to))
    -- The largest max has the least score. A start has the same member and score in both, or is in one.
    redis.call("ZUNIONSTORE", starts .. to, 2, starts .. to, starts .. from, "AGGREGATE", "MIN")
    if ttl > 0 then redis.call("PEXPIRE", starts .. to, ttl) end
    redis.call("DEL", starts .. from)
  end
end
if #request.set > 0 then version = next_version(KEYS[1], version) end
return { "saved", version }
`;

/**
 * Forgets a retired subscription of which nothing is left. KEYS[1]: the version of the list. ARGV: prefix
 * of our own keys, version, id, how many queues, their key prefixes, and the ids to forget with it.
 * Answers with 1 if it did.
 */
export const FORGET_SCRIPT: string = `${READING}${NEXT_VERSION}
local own, version, id, queues = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if (redis.call("GET", KEYS[1]) or "0") ~= version then return 0 end
expect(own .. "subscriptions", "hash")
if redis.call("EXISTS", own .. "dead:" .. id) == 1 then return 0 end
for index = 5, 4 + queues do
  local queue = ARGV[index]
  if redis.call("EXISTS", queue .. "wait", queue .. "paused", queue .. "prioritized",
    queue .. "delayed", queue .. "active", queue .. "completed", own .. "lanes:" .. queue) > 0 then
    return 0
  end
end
for index = 5, 4 + queues do
  local queue = ARGV[index]
  redis.call("UNLINK", queue .. "meta", queue .. "events", queue .. "id", queue .. "pc",
    queue .. "marker", queue .. "stalled", queue .. "stalled-check")
end
redis.call("HDEL", own .. "subscriptions", id)
for index = 5 + queues, #ARGV do redis.call("HDEL", own .. "subscriptions", ARGV[index]) end
next_version(KEYS[1], version)
return 1
`;
