import { withLibrary } from "./lua-library.ts";

/** How many lanes are looked at in one go. */
const AT_ONCE = 1_000;

/**
 * Adds turns again that somebody has removed by hand: a lane without one would stand still. KEYS[1]: the
 * queue's lanes. ARGV: prefix of our own keys, the queue's key prefix, now, priority of turns, milliseconds
 * after which one comes back, a part of ids that nobody else has, the cursor, and milliseconds for which
 * nobody else looks. Answers with the next cursor, which is "0" at the end, and how many lanes stood still.
 */
export const REVIVE_SCRIPT: string = withLibrary(
  ["ADD_JOB", "LANES"],
  `
local own, queue, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local looked = own .. "revived:" .. queue
-- As in SAVE_SCRIPT: it is part of a start.
redis.call("HDEL", KEYS[1], "")
if ARGV[7] == "0" and not redis.call("SET", looked, "1", "PX", ARGV[8], "NX") then return { "0", 0 } end
local found = redis.call("HSCAN", KEYS[1], ARGV[7], "COUNT", ${AT_ONCE})
local revived = 0
for index = 1, #found[2], 2 do
  local key = found[2][index]
  if is_turn_lost(queue, found[2][index + 1]) then
    local head = redis.call("LINDEX", lane_key(own, queue, key), 0)
    revived = revived + 1
    if head then
      local delivery = cjson.decode(head)
      local turn = { id = ARGV[6] .. "-" .. revived .. "x0", name = delivery.events[1].name,
        priority = tonumber(ARGV[4]), delay = tonumber(ARGV[5]),
        data = cjson.encode({ subscription = delivery.subscription, key = key }) }
      add_turn(own, queue, key, turn, now)
    else
      redis.call("HDEL", KEYS[1], key)
    end
  end
end
return { found[1], revived }
`,
);
