import { GROUPS } from "./group-library.ts";
import { READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

// KEYS[1] of each: the groups by the time of their first event. The first argument is the prefix of our
// own keys; ids of groups are as `encodeKey` makes them.

/**
 * Adds events to a group. ARGV: …, id, milliseconds to live after this or "", a token for this call, one for
 * this process, and the items. The same call again does nothing.
 */
export const STAGE_SCRIPT: string = `${SERVER_TIME}${READING}${GROUPS}
local own, now, id, ttl, token = ARGV[1], server_now(), ARGV[2], ARGV[3], ARGV[4]
expect_groups(own, id)
expire_groups(own, now)
if not remember_staging(own, token) then return 0 end
local events = 0
for index = 6, #ARGV do events = redis.call("RPUSH", group_list(own, id), ARGV[index]) end
set_stager(own, id, ARGV[5], events == #ARGV - 5)
redis.call("ZADD", KEYS[1], "NX", now, id)
if ttl == "" then
  ttl = redis.call("HGET", group_meta(own, id), "ttl")
else
  redis.call("HSET", group_meta(own, id), "ttl", ttl)
end
if tonumber(ttl) then redis.call("ZADD", groups_expiring(own), now + tonumber(ttl), id) end
return #ARGV - 5
`;

/** Asks for the release of what a group has now. ARGV: …, id. */
export const MARK_SCRIPT: string = `${SERVER_TIME}${READING}${GROUPS}
local own, now, id = ARGV[1], server_now(), ARGV[2]
expect_groups(own, id)
expire_groups(own, now)
local events = redis.call("LLEN", group_list(own, id))
if events > 0 then set_marked(own, id, events, now) end
return events
`;

/**
 * Claims the marked events of a group, or of any. ARGV: …, milliseconds of the lease, token, id or
 * nothing. Answers with the group's id and its events, or nil. The same claim again answers the same.
 */
export const CLAIM_SCRIPT: string = `${SERVER_TIME}${READING}${GROUPS}
local own, now, lease, token = ARGV[1], server_now(), tonumber(ARGV[2]), ARGV[3]
expect_groups(own, ARGV[4])
expire_groups(own, now)
local ids = ARGV[4] and { ARGV[4] } or redis.call("ZRANGE", groups_marked(own), 0, -1)
for _, id in ipairs(ids) do
  local meta = is_group(own, id)
    and redis.call("HMGET", group_meta(own, id), "marked", "claimedUntil", "token") or {}
  local marked, claimedUntil = tonumber(meta[1]) or 0, tonumber(meta[2]) or 0
  if marked > 0 and (claimedUntil <= now or meta[3] == token) then
    redis.call("HSET", group_meta(own, id), "token", token, "claimed", marked,
      "claimedUntil", now + lease)
    return { id, redis.call("LRANGE", group_list(own, id), 0, marked - 1) }
  end
end
return nil
`;

/** Gives a claim up. ARGV: …, id, token. */
export const ABANDON_SCRIPT: string = `${SERVER_TIME}${READING}${GROUPS}
local own, id = ARGV[1], ARGV[2]
if redis.call("HGET", group_meta(own, id), "token") ~= ARGV[3] then return 0 end
end_claim(own, id)
return 1
`;

/**
 * Deletes events of a group that no claim has. ARGV: …, id, how many names or -1 for any, how many step
 * ids or -1 for any, the names and the step ids, each as JSON. Answers with how many.
 */
export const CLEAR_SCRIPT: string = `${SERVER_TIME}${READING}${GROUPS}
local own, now, id = ARGV[1], server_now(), ARGV[2]
expect_groups(own, id)
expire_groups(own, now)
local function set_of(from, count)
  if count < 0 then return nil end
  local set = {}
  for index = from, from + count - 1 do set[ARGV[index]] = true end
  return set
end
local namesCount, stepsCount = tonumber(ARGV[3]), tonumber(ARGV[4])
local names = set_of(5, namesCount)
local steps = set_of(5 + math.max(namesCount, 0), stepsCount)

local list = group_list(own, id)
local meta = redis.call("HMGET", group_meta(own, id), "marked", "claimed", "claimedUntil")
local marked, claimed = tonumber(meta[1]) or 0, 0
if (tonumber(meta[3]) or 0) > now then claimed = tonumber(meta[2]) or 0 end

local items = redis.call("LRANGE", list, 0, -1)
local kept, markedLeft = {}, 0
for index, item in ipairs(items) do
  local gone = false
  if index > claimed then
    local name, step = string.match(item, "^([^\\n]*)\\n([^\\n]*)\\n")
    gone = (not names or names[name]) and (not steps or steps[step])
  end
  if not gone then
    kept[#kept + 1] = item
    if index <= marked then markedLeft = markedLeft + 1 end
  end
end
if #kept == #items then return 0 end
if #kept == 0 then
  forget_group(own, id)
  return #items
end
-- The positions that a claim whose lease has ended knew are those of other events now.
if claimed == 0 then end_claim(own, id) end
redis.call("HDEL", group_meta(own, id), "stager")
redis.call("DEL", list)
for _, item in ipairs(kept) do redis.call("RPUSH", list, item) end
set_marked(own, id, markedLeft, now)
return #items - #kept
`;

/** Lists the groups. Answers with id, number of events, time of the first, and marked events of each. */
export const LIST_SCRIPT: string = `${SERVER_TIME}${READING}${GROUPS}
local own, now = ARGV[1], server_now()
expect_groups(own)
expire_groups(own, now)
local groups = {}
local listed = redis.call("ZRANGE", KEYS[1], 0, -1, "WITHSCORES")
for index = 1, #listed, 2 do
  local id = listed[index]
  if is_group(own, id) then
    groups[#groups + 1] = { id, redis.call("LLEN", group_list(own, id)), listed[index + 1],
      tonumber(redis.call("HGET", group_meta(own, id), "marked")) or 0 }
  end
end
return groups
`;
