/**
 * Finds jobs that have a text in their data. KEYS[1]: where the jobs wait. ARGV: key prefix of the queue, `zset` or
 * `list`, cursor, how many jobs to look at, and the text. Answers with the next cursor ("0" at the end), the ids, and
 * ids with bodies in turn of jobs whose data refers to a body. A list is looked at as a whole: BullMQ has few jobs in
 * one.
 */
export const FIND_JOBS_SCRIPT = `
local queue, kind, cursor, count, needle = unpack(ARGV)
local ids = {}
if kind == "list" then
  cursor, ids = "0", redis.call("LRANGE", KEYS[1], 0, -1)
else
  local page = redis.call("ZSCAN", KEYS[1], cursor, "COUNT", count)
  cursor = page[1]
  for index = 1, #page[2], 2 do table.insert(ids, page[2][index]) end
end

local found, referring = {}, {}
for _, id in ipairs(ids) do
  -- The turn of a lane has no events.
  local data = not string.find(id, "x0$") and redis.pcall("HGET", queue .. id, "data")
  if type(data) == "string" then
    local body = string.match(data, '"body":"([^"]+)"')
    if string.find(data, needle, 1, true) then
      table.insert(found, id)
    elseif body then
      table.insert(referring, id)
      table.insert(referring, body)
    end
  end
end
return { cursor, found, referring }
`;

/** How many deliveries of all lanes are looked at in one step. */
const MOST_OF_LANES = 1_000;
/** How many deliveries of one lane are. */
const MOST_OF_LANE = 500;

/**
 * Finds deliveries in the lanes of ordered keys. KEYS[1]: the queue's lanes. ARGV: prefix of our own keys, key prefix of
 * the queue, cursor, how many lanes to look at, and the text. Answers with the next cursor ("0" at the end), pairs of
 * keys and deliveries, and the keys of lanes that are too long to be looked at in this step, or too many.
 */
export const FIND_IN_LANES_SCRIPT: string = `
local own, queue, cursor, count, needle = unpack(ARGV)
local page = redis.call("HSCAN", KEYS[1], cursor, "COUNT", count)
local found, long, room = {}, {}, ${MOST_OF_LANES}
for index = 1, #page[2], 2 do
  local key = page[2][index]
  local lane = own .. "lane:" .. queue .. key
  local length = redis.pcall("LLEN", lane)
  -- What is no list holds nothing.
  if type(length) ~= "number" then length = 0 end
  if length > ${MOST_OF_LANE} or length > room then
    table.insert(long, key)
  elseif length > 0 then
    room = room - length
    for _, item in ipairs(redis.call("LRANGE", lane, 0, -1)) do
      if string.find(item, needle, 1, true) then
        table.insert(found, key)
        table.insert(found, item)
      end
    end
  end
end
return { page[1], found, long }
`;

/**
 * Finds deliveries in a part of one lane. KEYS[1]: the lane. ARGV: the first position and the last, as of LRANGE, and the
 * text. Answers with the deliveries.
 */
export const FIND_IN_LANE_SCRIPT = `
local found = {}
for _, item in ipairs(redis.pcall("LRANGE", KEYS[1], ARGV[1], ARGV[2])) do
  if string.find(item, ARGV[3], 1, true) then table.insert(found, item) end
end
return found
`;

/** Says with 1 whether a body has a text in one of its packs. KEYS[1]: the body. ARGV: the text. */
export const FIND_IN_BODY_SCRIPT = `
for _, pack in ipairs(redis.pcall("HGETALL", KEYS[1])) do
  if string.find(pack, ARGV[1], 1, true) then return 1 end
end
return 0
`;
