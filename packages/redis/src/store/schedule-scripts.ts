import { READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

/**
 * Schedules: a hash of texts by id, a sorted set of the ids by when they are due next, and the last version. A text is
 * `<version> <due at, or -> <token of the write> <record as JSON>`.
 *
 * `expect_schedules(own)` looks at the keys before anything is written. `write_schedule(own, id, text, dueAt, now)` puts
 * the next version before the text. A version is a time, or later: none is used twice, not even by a Redis that has
 * lost its data.
 */
export const SCHEDULES: string = `
local function expect_schedules(own)
  expect(own .. "schedules-due", "zset")
  expect(own .. "schedules-version", "string")
  return expect(own .. "schedules", "hash")
end
local function write_schedule(own, id, text, dueAt, now)
  local last = tonumber(redis.call("GET", own .. "schedules-version") or 0) or 0
  local version = string.format("%.0f", math.max(last + 1, now))
  redis.call("SET", own .. "schedules-version", version)
  redis.call("HSET", own .. "schedules", id, version .. " " .. text)
  if dueAt then
    redis.call("ZADD", own .. "schedules-due", string.format("%.0f", dueAt), id)
  else
    redis.call("ZREM", own .. "schedules-due", id)
  end
end
`;

/**
 * Writes a schedule. KEYS[1]: the schedules. ARGV: prefix of our own keys, id, its version or "" if there is none, when
 * it is due next or "", a token for this call, the text without its version, and the text that is there and cannot be
 * read, or "". The same call again does nothing.
 */
export const WRITE_SCHEDULE_SCRIPT: string = `${SERVER_TIME}${READING}${SCHEDULES}
local own, id, version, dueAt, token, text, unreadable = unpack(ARGV)
expect_schedules(own)
local present = redis.call("HGET", KEYS[1], id) or ""
if string.match(present, "^%d+ [%d-]+ (%S+)") == token then return 1 end
local is_replaced = unreadable ~= "" and present == unreadable
if not is_replaced and (string.match(present, "^%d+") or "") ~= version then return 0 end
write_schedule(own, id, text, tonumber(dueAt), server_now())
return 1
`;

/** Removes a schedule. KEYS[1]: the schedules. ARGV: prefix of our own keys, and id. Answers with how many there were. */
export const REMOVE_SCHEDULE_SCRIPT: string = `${READING}${SCHEDULES}
expect_schedules(ARGV[1])
redis.call("ZREM", ARGV[1] .. "schedules-due", ARGV[2])
return redis.call("HDEL", KEYS[1], ARGV[2])
`;

/**
 * Finds schedules that are due. KEYS[1]: the schedules. ARGV: prefix of our own keys, and how many. Answers with the
 * time, ids and texts in turn, and when the next one is due that is not due yet, or "".
 */
export const DUE_SCHEDULES_SCRIPT: string = `${SERVER_TIME}${READING}${SCHEDULES}
local own, limit, now = ARGV[1], ARGV[2], server_now()
local due = own .. "schedules-due"
expect_schedules(own)
local found = {}
for _, id in ipairs(redis.call("ZRANGEBYSCORE", due, "-inf", now, "LIMIT", 0, limit)) do
  local text = redis.call("HGET", KEYS[1], id)
  if text then
    table.insert(found, id)
    table.insert(found, text)
  else
    -- Somebody has removed it by hand.
    redis.call("ZREM", due, id)
  end
end
local next = redis.call("ZRANGEBYSCORE", due, "(" .. now, "+inf", "WITHSCORES", "LIMIT", 0, 1)
return { now, found, next[2] or "" }
`;
