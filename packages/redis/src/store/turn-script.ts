import type { DeadBounds, DeadSpec, FinishSpec } from "./settle-script.ts";
import { withLibrary } from "./lua-library.ts";
import { POLICY_LIBRARY } from "./policies-script.ts";
import type { TurnSpec } from "./publish-script.ts";

/** ARGV[1] of the script, as JSON. */
export interface TurnRequest {
  readonly own: string;
  /** Key prefix of the queue, with its last colon. */
  readonly queue: string;
  /** Id of the job that is the turn. */
  readonly id: string;
  readonly token: string;
  /** As in a `SettleRequest`. */
  readonly step: number;
  readonly lockDuration: number;
  readonly key: string;
  /** How many deliveries at the head of the lane are done. */
  readonly done: number;
  /** The head, which is left after those, becomes ARGV[2]: it failed, and its state has changed. */
  readonly replacesHead?: boolean;
  /** The head, after those that are done, is dead: ARGV[2] is what is known of it, ARGV[3] its data. */
  readonly dead?: DeadSpec & {
    /** This process wants the lane to wait for its replay or discard. It also waits if another release does. */
    readonly blocks: boolean;
  };
  readonly bounds: DeadBounds;
  /** The turn's progress as JSON: see {@link SettleRequest.progress}. */
  readonly progress?: string;
  /** Ends this turn: the lane's next is `turn`, if anything is left. */
  readonly next?: TurnSpec;
  /** How many deliveries to answer with. */
  readonly take: number;
  /** How the job is completed when the turn ends: by `next`, a block, or an empty lane. */
  readonly finish: FinishSpec;
}

/**
 * What the script answers. `lost`: the lock is not ours any more, and nothing was done. `goes-on`: the
 * lane's first deliveries. `ended`: the turn is over, with what BullMQ answers of each job that
 * is taken. Both with how many dead letters were dropped at their bound.
 */
export type TurnAnswer =
  | readonly ["lost"]
  | readonly ["goes-on", dropped: number, deliveries: readonly string[]]
  | readonly ["ended", dropped: number, taken: readonly unknown[]];

/** KEYS[1]: the job that is the turn. */
export const TURN_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "TAKE_JOBS", "FINISH_JOB", "LANES", "DEAD_LETTERS", "STEPS", "HOLDING"],
  `${POLICY_LIBRARY}
local request = cjson.decode(ARGV[1])
local own, queue, key, now = request.own, request.queue, request.key, server_now()
if not holds(queue, request.id, request.token, request.finish.worker, request.lockDuration) then
  return { "lost" }
end

local lane, lanes = lane_key(own, queue, key), lanes_key(own, queue)
local dropped, blocked = 0, false
local length = redis.call("LLEN", lane)
expect(lanes, "hash")
if request.next or request.dead then expect_queue(queue) end
local blocks = false
if request.dead then
  request.dead.subscription = present_id(own, request.dead.subscription)
  expect_dead(own, request.dead.subscription)
  blocks = request.dead.blocks or is_declared(own, "block", request.dead.subscription, now)
end
if not is_repeated(KEYS[1], request.token, request.step) then
  mark_step(KEYS[1], request.token, request.step, request.lockDuration)
  if request.done > 0 then
    redis.call("LTRIM", lane, request.done, -1)
    if request.take == 0 and not request.next then
      local inHand = tonumber(redis.call("HGET", KEYS[1], "taken")) or length
      redis.call("HSET", KEYS[1], "taken", math.max(inHand - request.done, 0))
    end
  end
  -- Somebody may have emptied it by hand.
  if request.replacesHead and length > request.done then redis.call("LSET", lane, 0, ARGV[2]) end
  if request.dead then
    local dead = request.dead
    redis.call("LPOP", lane)
    blocked = blocks
    if blocked then redis.call("HSET", lanes, key, "!" .. dead.id) end
    add_dead(own, dead.subscription, dead.id, ARGV[2], ARGV[3], now)
    dropped = trim_dead(own, dead.subscription, request.bounds, now)
  end
  if request.progress then redis.call("HSET", KEYS[1], "progress", request.progress) end
end

if not blocked then
  if redis.call("LLEN", lane) == 0 then
    redis.call("HDEL", lanes, key)
  elseif request.next then
    add_turn(own, queue, key, request.next, now)
  else
    local taken = {}
    -- What is behind those in hand may be cancelled, retired and drained.
    if request.take > 0 then
      taken = redis.call("LRANGE", lane, 0, request.take - 1)
      redis.call("HSET", KEYS[1], "taken", #taken)
    end
    return { "goes-on", dropped, taken }
  end
end
return { "ended", dropped, finish_job(queue, request.id, request.finish, now) }
`,
);
