import { READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

/** Milliseconds for which the feed is kept after its last entry. */
const FEED_TTL_MS = 60_000;

/**
 * Writes the report of an instance. KEYS[1]: the sorted set of instances, by the time at which their reports expire.
 * ARGV: prefix of our own keys, id of the instance, report as JSON, milliseconds. Answers with 1 if anybody watches
 * the feed, or else 0.
 */
export const BOARD_POST_SCRIPT: string = `${SERVER_TIME}${READING}
local own, id, report, ttl, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), server_now()
expect(KEYS[1], "zset")
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
redis.call("ZADD", KEYS[1], now + ttl, id)
if redis.call("PTTL", KEYS[1]) < ttl then redis.call("PEXPIRE", KEYS[1], ttl) end
redis.call("SET", own .. "board-report:" .. id,
  '{"writtenAt":' .. string.format("%.0f", now) .. ',"report":' .. report .. "}", "PX", ttl)
return redis.call("EXISTS", own .. "board-watched")
`;

/** Answers with the ids of instances and their reports, in turn. KEYS[1]: as above. ARGV: prefix of our own keys. */
export const BOARD_LIST_SCRIPT: string = `${SERVER_TIME}
local own, answer = ARGV[1], {}
for _, id in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], server_now(), "+inf")) do
  local report = redis.call("GET", own .. "board-report:" .. id)
  if report then
    table.insert(answer, id)
    table.insert(answer, report)
  end
end
return answer
`;

/** Removes the report of an instance. KEYS[1]: as above. ARGV: prefix of our own keys, id of the instance. */
export const BOARD_REMOVE_SCRIPT: string = `
redis.call("ZREM", KEYS[1], ARGV[2])
return redis.call("DEL", ARGV[1] .. "board-report:" .. ARGV[2])
`;

/**
 * Adds entries to the feed. KEYS[1]: the list of its entries. ARGV: key of the hash with the number of its last one,
 * how many to keep, and entries as JSON.
 *
 * Numbers go on from the time of Redis in microseconds when a feed has expired, so that none is used again.
 */
export const BOARD_SHOW_SCRIPT: string = `${SERVER_TIME}${READING}
local endKey, keep = ARGV[1], tonumber(ARGV[2])
expect(KEYS[1], "list")
if not string.find(redis.call("HGET", endKey, "number") or "", "^%d+$") then
  redis.call("HSET", endKey, "number", string.format("%.0f", server_now() * 1000))
end
for index = 3, #ARGV do redis.call("RPUSH", KEYS[1], ARGV[index]) end
redis.call("HINCRBY", endKey, "number", #ARGV - 2)
redis.call("LTRIM", KEYS[1], -keep, -1)
redis.call("PEXPIRE", KEYS[1], ${FEED_TTL_MS})
redis.call("PEXPIRE", endKey, ${FEED_TTL_MS})
return 1
`;

/**
 * Reads the feed. KEYS[1]: as above. ARGV: key of the hash, the number of the entry before or "", and how many entries
 * at most. Answers with the number of the last entry that it answers with, and the entries.
 */
export const BOARD_READ_SCRIPT: string = `${SERVER_TIME}
local last = tonumber(redis.call("HGET", ARGV[1], "number"))
if ARGV[2] == "" then return { string.format("%.0f", last or server_now() * 1000), {} } end
if not last then return { ARGV[2], {} } end
local length = redis.call("LLEN", KEYS[1])
local first, after, limit = last - length, tonumber(ARGV[2]), tonumber(ARGV[3])
if not after or after > last or after < first then after = first end
local entries = redis.call("LRANGE", KEYS[1], after - first, after - first + limit - 1)
return { string.format("%.0f", after + #entries), entries }
`;

/** Says that somebody watches the feed. KEYS[1]: the key that says so. ARGV: milliseconds. */
export const BOARD_WATCH_SCRIPT: string = `
local ttl = tonumber(ARGV[1])
if redis.call("PTTL", KEYS[1]) < ttl then redis.call("SET", KEYS[1], "1", "PX", ttl) end
return 1
`;
