import { READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

/**
 * What is in a queue: deliveries by where they are, and the data of the jobs that are likely to be the
 * oldest.
 */
export type QueueNumbers = readonly [
  ready: number,
  delayed: number,
  inFlight: number,
  oldest: readonly string[],
];

/** How many jobs of a place are counted one by one. Beyond that the rest is taken to be like them. */
const MOST_COUNTED = 20_000;
/** How many places in a queue are looked at for the oldest job. */
const MOST_LOOKED_AT = 10;

/**
 * Counts the deliveries of a queue. KEYS[1]: the queue's `meta`. ARGV: prefix of our own keys, the queue's
 * key prefix, and, for a queue that others share: the beginning of the data of a job that counts,
 * once for each id that the subscription has had.
 *
 * The id of a job ends with the number of its events, so that those of a queue of one subscription are
 * counted without reading jobs.
 */
export const STATS_SCRIPT: string = `${SERVER_TIME}${READING}
-- Whatever somebody has made of a key by hand, the rest is counted.
local function look(default, ...)
  local answer = redis.pcall(...)
  if not answer or type(answer) == "table" and answer.err then return default end
  return answer
end
local own, queue, now = ARGV[1], ARGV[2], server_now()
local isShared = #ARGV > 2
local lanesKey = own .. "lanes:" .. queue

local function is_ours(data)
  if not isShared then return true end
  if not data then return false end
  for index = 3, #ARGV do
    if string.sub(data, 1, #ARGV[index]) == ARGV[index] then return true end
  end
  return false
end
local function events_of(id)
  local count = tonumber(string.match(id, "x(%d+)$")) or 1
  if isShared and count > 0 and not is_ours(look(nil, "HGET", queue .. id, "data")) then return 0 end
  return count
end
local function count_events(ids, total)
  local events = 0
  for _, id in ipairs(ids) do events = events + events_of(id) end
  if total > #ids and #ids > 0 then events = math.floor(events / #ids * total) end
  return events
end
local function count_sorted(key, from, to)
  local ids = look({}, "ZRANGEBYSCORE", key, from, to, "LIMIT", 0, ${MOST_COUNTED})
  return count_events(ids, look(0, "ZCOUNT", key, from, to))
end
local function count_list(key)
  local ids = look({}, "LRANGE", key, 0, ${MOST_COUNTED} - 1)
  return count_events(ids, look(0, "LLEN", key)), ids
end

-- BullMQ's scores of delayed jobs: the time, and a counter in the lowest twelve bits.
local due = string.format("%.0f", (now + 1) * 0x1000 - 1)
local ready = count_sorted(queue .. "prioritized", "-inf", "+inf") + count_list(queue .. "wait")
  + count_sorted(queue .. "delayed", "-inf", due)
local delayed = count_sorted(queue .. "delayed", "(" .. due, "+inf")
local inFlight, active = count_list(queue .. "active")

local function settled_of(id)
  local progress = read_object(look(nil, "HGET", queue .. id, "progress"))
  if not progress or type(progress.settled) ~= "table" then return 0 end
  local count = 0
  for _, entry in ipairs(progress.settled) do
    local first, last = entry, entry
    if type(entry) == "table" then first, last = entry[1], entry[2] end
    if type(first) == "number" and type(last) == "number" then count = count + last - first + 1 end
  end
  return math.min(count, events_of(id))
end
local activeIds = {}
for _, id in ipairs(active) do
  activeIds[id] = true
  if events_of(id) > 0 then inFlight = inFlight - settled_of(id) end
end

-- The first delivery of a lane is where its turn is. The others wait behind it.
local oldest = {}
local lanes = look({ 0, {} }, "HSCAN", lanesKey, 0, "COUNT", ${MOST_COUNTED})[2]
local factor = #lanes > 0 and look(0, "HLEN", lanesKey) / (#lanes / 2) or 1
local laneReady, laneDelayed, laneInFlight = 0, 0, 0
for index = 1, #lanes, 2 do
  local lane, turn = own .. "lane:" .. queue .. lanes[index], lanes[index + 1]
  local head = look(nil, "LINDEX", lane, 0)
  if head and is_ours(head) then
    local waiting = look(0, "LLEN", lane)
    if activeIds[turn] then
      laneInFlight, waiting = laneInFlight + 1, waiting - 1
      head = waiting > 0 and #oldest < ${MOST_LOOKED_AT} and look(nil, "LINDEX", lane, 1)
    elseif string.sub(turn, 1, 1) ~= "!" then
      local at = tonumber(look(nil, "ZSCORE", queue .. "delayed", turn))
      if not at or at <= tonumber(due) then laneReady, waiting = laneReady + 1, waiting - 1 end
    end
    laneDelayed = laneDelayed + waiting
    if head and #oldest < ${MOST_LOOKED_AT} then table.insert(oldest, head) end
  end
end

local function look_at(ids)
  for _, id in ipairs(ids) do
    local data = look(nil, "HGET", queue .. id, "data")
    local hasEvents = data and (string.find(data, '"events":[', 1, true)
      or string.find(data, '"packs":[', 1, true))
    if hasEvents and is_ours(data) then
      table.insert(oldest, data)
    end
  end
end
look_at(look({}, "LRANGE", queue .. "wait", 0, ${MOST_LOOKED_AT} - 1))
look_at(look({}, "ZRANGE", queue .. "delayed", 0, ${MOST_LOOKED_AT} - 1))
-- Among jobs of one priority the first ones are the oldest.
local from = "-inf"
for _ = 1, ${MOST_LOOKED_AT} do
  local first = look({}, "ZRANGEBYSCORE", queue .. "prioritized", from, "+inf", "WITHSCORES",
    "LIMIT", 0, 1)
  if #first == 0 then break end
  from = string.format("%.0f", (math.floor(tonumber(first[2]) / 0x100000000) + 1) * 0x100000000)
  look_at(look({}, "ZRANGEBYSCORE", queue .. "prioritized", first[2], "(" .. from, "LIMIT", 0, 3))
end

return { ready + math.floor(laneReady * factor), delayed + math.floor(laneDelayed * factor),
  inFlight + math.floor(laneInFlight * factor), oldest }
`;
