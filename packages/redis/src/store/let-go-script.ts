import { READING } from "./reading-library.ts";
import { NEXT_VERSION } from "./registry-script.ts";

/** The most jobs, and the most lanes, of a shared queue that are looked at: one with more is busy. */
const MOST_LOOKED_AT = 5_000;

/** ARGV[1] of the script, as JSON. */
export interface LetGoRequest {
  /** Prefix of our own keys, with its last colon. */
  readonly own: string;
  /** The version of the list of subscriptions that this is a change to. */
  readonly version: string;
  readonly subscription: string;
  /** Its record without the queue, as JSON. */
  readonly record: string;
  /** Key prefix of the queue, with its last colon. */
  readonly queue: string;
  /** Given if others may have something in it: how what is the subscription's begins. */
  readonly shared?: {
    /** The data of its jobs, under each id that it has had. */
    readonly data: readonly string[];
    /** Its lanes. */
    readonly lane: string;
  };
}

/**
 * Lets a subscription go from a queue that it had before, if nothing of it is left there. KEYS[1]: the
 * version of the list of subscriptions. Answers with the new version, or "" if it has not.
 */
export const LET_GO_SCRIPT: string = `${READING}${NEXT_VERSION}
local request = cjson.decode(ARGV[1])
local own, queue, shared = request.own, request.queue, request.shared
local lanes = own .. "lanes:" .. queue
if (redis.call("GET", KEYS[1]) or "0") ~= request.version then return "" end
expect(own .. "seen", "zset")
expect(own .. "subscriptions", "hash")

local function begins_with(text, start) return string.sub(text, 1, #start) == start end
local function is_ours(id)
  local data = redis.pcall("HGET", queue .. id, "data")
  if type(data) ~= "string" then return false end
  for _, start in ipairs(shared.data) do
    if begins_with(data, start) then return true end
  end
  return false
end
local function has_ours()
  for place, command in pairs({ wait = "LRANGE", paused = "LRANGE", active = "LRANGE",
    prioritized = "ZRANGE", delayed = "ZRANGE" }) do
    local ids = redis.call(command, queue .. place, 0, ${MOST_LOOKED_AT})
    if #ids > ${MOST_LOOKED_AT} then return true end
    for _, id in ipairs(ids) do
      if is_ours(id) then return true end
    end
  end
  if redis.call("HLEN", lanes) > ${MOST_LOOKED_AT} then return true end
  for _, key in ipairs(redis.call("HKEYS", lanes)) do
    if begins_with(key, shared.lane) then return true end
  end
  return false
end

if shared then
  if has_ours() then return "" end
elseif redis.call("EXISTS", queue .. "wait", queue .. "paused", queue .. "active",
  queue .. "prioritized", queue .. "delayed", lanes) > 0 then
  return ""
elseif redis.call("EXISTS", queue .. "completed") == 0 then
  redis.call("UNLINK", queue .. "meta", queue .. "events", queue .. "id", queue .. "pc",
    queue .. "marker", queue .. "stalled", queue .. "stalled-check")
end
-- As in SAVE_SCRIPT: it is part of a start.
redis.call("ZREM", own .. "seen", "")
redis.call("HSET", own .. "subscriptions", request.subscription, request.record)
return next_version(KEYS[1], request.version)
`;
