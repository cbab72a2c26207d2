/**
 * `place_of_turn(queue, turn)` says where the turn of a lane waits: `prioritized`, `delayed` or `wait`; nil if a worker
 * has it, or a dead letter blocks the lane.
 *
 * `in_hand_of(queue, lane, turn)` says how many deliveries at the head of a lane a worker has in hand. Of a turn that
 * has just been taken it is not known yet: then the worker may get all of them.
 *
 * `begin_turn_anew(queue, turn, place, now)` is for a turn that waits and lost the head of its lane: it ends the delay,
 * and forgets the crashes, which were those of the head.
 */
export const TURNS = `
local function place_of_turn(queue, turn)
  for _, state in ipairs({ "prioritized", "delayed" }) do
    if redis.call("ZSCORE", queue .. state, turn) then return state end
  end
  if redis.call("LPOS", queue .. "wait", turn) then return "wait" end
end
local function in_hand_of(queue, lane, turn)
  if string.sub(turn, 1, 1) == "!" or place_of_turn(queue, turn) then return 0 end
  return tonumber(redis.call("HGET", queue .. turn, "taken")) or redis.call("LLEN", lane)
end
local function begin_turn_anew(queue, turn, place, now)
  redis.call("HDEL", queue .. turn, "progress", "stc")
  if place ~= "delayed" then return end
  redis.call("ZADD", queue .. "delayed", "XX", string.format("%.0f", now * 0x1000), turn)
  redis.call("ZADD", queue .. "marker", 0, "0")
end
`;
