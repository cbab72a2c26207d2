import { withLibrary } from "./lua-library.ts";
import { TURNS } from "./turn-library.ts";

/**
 * Takes one delivery out of the lane of an ordered key, unless a worker has it in hand. KEYS[1]: the queue's lanes.
 * ARGV: prefix of our own keys, key prefix of the queue, key of the lane, the delivery, and under which deduplication
 * remembers it, or "". Answers with 1, or 0 if it is not there, or in hand. The next of the key neither waits
 * for the retry of one that was taken out, nor is charged with its crashes.
 */
export const CANCEL_IN_LANE_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES"],
  `${TURNS}
local own, queue, key, item, forget = unpack(ARGV)
local now = server_now()
local lane = lane_key(own, queue, key)
expect(KEYS[1], "hash")
expect(lane, "list")
expect_queue(queue)
local turn = redis.call("HGET", KEYS[1], key)
if not turn then return 0 end
local inHand = in_hand_of(queue, lane, turn)
local position
-- Several may be alike.
for _, at in ipairs(redis.call("LPOS", lane, item, "COUNT", 0)) do
  if not position and at >= inHand then position = at end
end
if not position then return 0 end

local place = place_of_turn(queue, turn)
redis.call("LSET", lane, position, "!" .. item)
redis.call("LREM", lane, 1, "!" .. item)
if redis.call("LLEN", lane) > 0 then
  if position == 0 and place then begin_turn_anew(queue, turn, place, now) end
elseif place then
  if place == "wait" then
    redis.call("LREM", queue .. "wait", 1, turn)
  else
    redis.call("ZREM", queue .. place, turn)
  end
  redis.call("DEL", queue .. turn)
  redis.call("HDEL", KEYS[1], key)
end
if forget ~= "" then redis.call("DEL", own .. "de:" .. forget) end
return 1
`,
);
