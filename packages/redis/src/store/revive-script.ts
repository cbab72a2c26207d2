import { withLibrary } from "./lua-library.ts";

/** How many lanes are looked at in one go. */
const AT_ONCE = 1_000;

/**
 * Sets lanes going again that would stand still: somebody has removed the turn by hand, or the dead letter
 * that blocks the lane. KEYS[1]: the queue's lanes. ARGV: prefix of our own keys, the queue's key prefix,
 * version of the list of subscriptions, priority of turns, milliseconds after which one comes back, a part of
 * ids that nobody else has, the cursor, milliseconds for which nobody else looks, and the subscriptions that
 * have this queue. Answers with the next cursor, which is "0" at the end, and how many lanes stood still.
 */
export const REVIVE_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES", "DEAD_LETTERS"],
  `
local own, queue, now = ARGV[1], ARGV[2], server_now()
if (redis.call("GET", own .. "version") or "0") ~= ARGV[3] then return { "0", 0 } end
local found = redis.call("HSCAN", KEYS[1], ARGV[7], "COUNT", ${AT_ONCE})
expect_queue(queue)
for index = 9, #ARGV do expect(dead_key(own, ARGV[index]), "zset") end
for index = 1, #found[2], 2 do expect(lane_key(own, queue, found[2][index]), "list") end

local looked = own .. "revived:" .. queue
-- As in SAVE_SCRIPT: it is part of a start.
redis.call("HDEL", KEYS[1], "")
if ARGV[7] == "0" and not redis.call("SET", looked, "1", "PX", ARGV[8], "NX") then return { "0", 0 } end
local function is_block_lost(turn)
  if string.sub(turn, 1, 1) ~= "!" then return false end
  for index = 9, #ARGV do
    if redis.call("ZSCORE", dead_key(own, ARGV[index]), string.sub(turn, 2)) then return false end
  end
  return true
end
-- The JSON of whose delivery it is, and the name of its event, which is only shown. Not decoded: a delivery
-- may hold what cjson refuses.
local function read_head(head)
  local subscription, rest = string.match(head, '^{"subscription":(".-"),"events":%[(.*)$')
  local name = rest and string.match(rest, '^{"id":".-","name":"([^"\\\\]*)"')
  return subscription or cjson.encode(ARGV[9]), name or ""
end
local revived = 0
for index = 1, #found[2], 2 do
  local key, present = found[2][index], found[2][index + 1]
  if is_turn_lost(queue, present) or is_block_lost(present) then
    local head = redis.call("LINDEX", lane_key(own, queue, key), 0)
    revived = revived + 1
    if head then
      local subscription, name = read_head(head)
      add_turn(own, queue, key, { id = ARGV[6] .. "-" .. revived .. "x0", name = name,
        priority = tonumber(ARGV[4]), delay = tonumber(ARGV[5]),
        data = '{"subscription":' .. subscription .. ',"key":' .. cjson.encode(key) .. "}" }, now)
    else
      redis.call("HDEL", KEYS[1], key)
    end
  end
end
return { found[1], revived }
`,
);
