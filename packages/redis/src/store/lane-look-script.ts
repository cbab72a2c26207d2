import { TURNS } from "./turn-library.ts";

/** Where the turn of a lane is: at work, blocked by a dead letter, or waiting for its time or for a worker. */
export type LaneLook = readonly [
  state: "active" | "blocked" | "delayed" | "ready",
  /** How many deliveries from the head of the lane a worker has in hand. */
  inHand: number,
  /** The score of a delayed turn, or "". */
  score: string,
  /** Deliveries of the lane, as JSON. */
  items: readonly string[],
];

/**
 * Looks into a lane. KEYS[1]: the queue's lanes. ARGV: the queue's key prefix, the key of the lane's list, the lane's
 * key, the first delivery to look at, and how many.
 */
export const LANE_LOOK_SCRIPT: string = `${TURNS}
local queue, lane, key, from, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local turn = redis.call("HGET", KEYS[1], key)
local state, inHand, score = "ready", 0, ""
if turn and string.sub(turn, 1, 1) == "!" then
  state = "blocked"
elseif turn then
  local due = redis.call("ZSCORE", queue .. "delayed", turn)
  if due then
    state, score = "delayed", due
  elseif not place_of_turn(queue, turn) then
    state, inHand = "active", in_hand_of(queue, lane, turn)
  end
end
return { state, inHand, score, redis.call("LRANGE", lane, from, from + count - 1) }
`;
