/**
 * Redis keeps what a script wrote before an error. So a script reads, decodes and checks everything first,
 * and writes after that.
 *
 * `read_object(text)` decodes a JSON object that is kept in Redis, and returns nil if the text is none. cjson
 * refuses half a surrogate pair, which earlier releases wrote: it is read as U+FFFD.
 *
 * `is_kind(key, kind)` says whether a key holds what Redis calls by that name, or nothing; `expect` throws if
 * it does not. `expect_queue(queue)` does so for all keys of a queue that a script changes by BullMQ's functions.
 */
export const READING: string = `
local function half_pairs_replaced(text)
  -- An escaped backslash begins no escape.
  local replaced = string.gsub(text, "\\\\\\\\", "\\1")
  replaced = string.gsub(replaced, "\\\\u[dD][89a-fA-F]%x%x", "\\\\ufffd")
  return (string.gsub(replaced, "\\1", "\\\\\\\\"))
end
local function read_object(text)
  if type(text) ~= "string" then return nil end
  local is_read, value = pcall(cjson.decode, text)
  if not is_read then is_read, value = pcall(cjson.decode, half_pairs_replaced(text)) end
  if is_read and type(value) == "table" then return value end
end
-- Commands that read, or in the case of the stream change nothing, and that our users are allowed anyway.
local LOOK_AT = { zset = { "ZCARD" }, list = { "LLEN" }, hash = { "HLEN" }, set = { "SCARD" },
  string = { "GET" }, stream = { "XTRIM", "MAXLEN", "~", "${Number.MAX_SAFE_INTEGER}" } }
local function is_kind(key, kind)
  local look = LOOK_AT[kind]
  local answer = redis.pcall(look[1], key, unpack(look, 2))
  if type(answer) == "table" and answer.err then return false, answer.err end
  return true, answer
end
local function expect(key, kind)
  local is_it, answer = is_kind(key, kind)
  if not is_it then error("the key " .. key .. " should be a " .. kind .. ": " .. answer) end
  return answer
end
local function expect_counter(key)
  local counter = expect(key, "string")
  if counter and not string.find(counter, "^%d+$") then error("the key " .. key .. " is no counter") end
end
local function expect_queue(queue)
  for kind, names in pairs({ zset = { "prioritized", "delayed", "completed", "marker" },
    list = { "wait", "active", "paused" }, hash = { "meta" }, stream = { "events" }, set = { "stalled" },
    string = { "limiter" } }) do
    for _, name in ipairs(names) do expect(queue .. name, kind) end
  end
  expect_counter(queue .. "pc")
  expect_counter(queue .. "id")
  local maxEvents = redis.call("HGET", queue .. "meta", "opts.maxLenEvents")
  if maxEvents and not string.find(maxEvents, "^%d+$") then
    error("the key " .. queue .. "meta has no number in opts.maxLenEvents")
  end
end
`;

/**
 * `rename_damaged(queue, ids)` makes way for jobs that are no hashes any more. BullMQ's functions throw at one,
 * and leave others that they have just taken from their places. Its key is renamed: the job goes on without
 * data, and whoever takes it sets it aside.
 */
export const DAMAGED_JOBS: string = `
local function rename_damaged(queue, ids)
  for _, id in ipairs(ids) do
    if type(redis.pcall("HLEN", queue .. id)) == "table" then
      redis.call("RENAME", queue .. id, queue .. "corrupt:" .. id)
    end
  end
end
-- Those that moveToActive is about to take from where delayed ones wait.
local function rename_damaged_due(queue, now)
  rename_damaged(queue, redis.call("ZRANGEBYSCORE", queue .. "delayed", 0,
    string.format("%.0f", (tonumber(now) + 1) * 0x1000 - 1), "LIMIT", 0, 1000))
end
`;
