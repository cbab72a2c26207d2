import { withLibrary } from "./lua-library.ts";
import type { TurnSpec } from "./publish-script.ts";
import type { JsonValue } from "@busbar/core/provider";
import type { DeadSpec } from "./settle-script.ts";

/** What is known of a dead letter: the JSON in the hash of a subscription's dead letters. */
export interface DeadInfo {
  readonly reason: string;
  readonly state: unknown;
  /** Key prefix of the queue that it died in, with its last colon. */
  readonly queue: string;
  /** Name of the event and priority of the job that a replay adds. */
  readonly name: string;
  readonly priority: number;
  /** Of an ordered delivery: its key, and the turn that is added if its lane was empty, but for its id. */
  readonly key?: string;
  readonly turn?: Omit<TurnSpec, "id">;
}

/**
 * Finds the oldest dead letters after one of them, which may be gone. KEYS[1]: the sorted set. ARGV: time of death and
 * id of that one, and how many are wanted. Answers with ids and times of death in turn. As many may have died in one
 * millisecond as a retired subscription had waiting: the place among them is found by halves.
 */
export const DEAD_AFTER_SCRIPT: string = `
local key, time, id, limit = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
-- As Redis orders members of one score: by their bytes, whatever its locale is.
local function is_behind(member, other)
  for at = 1, math.min(#member, #other) do
    local one, two = string.byte(member, at), string.byte(other, at)
    if one ~= two then return one > two end
  end
  return #member > #other
end
local low = redis.call("ZCOUNT", key, "-inf", "(" .. time)
local high = redis.call("ZCOUNT", key, "-inf", time)
while low < high do
  local middle = math.floor((low + high) / 2)
  local found = redis.call("ZRANGE", key, middle, middle)
  if is_behind(found[1], id) then high = middle else low = middle + 1 end
end
return redis.call("ZRANGE", key, low, low + limit - 1, "WITHSCORES")
`;

/**
 * Moves dead letters back into the queue of their subscription. KEYS[1]: the sorted set. ARGV: prefix of
 * our own keys, subscription, version of the list of subscriptions, the subscription's place as JSON
 * or "", how many ids, the ids, for each the id of the job that a replay adds, and, if they are replayed with other
 * data, for each the job's data. Answers with how many there were, or -1 if the list has changed. Leaves those alone
 * that cannot be read.
 */
export const REPLAY_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES", "DEAD_LETTERS"],
  `
local own, subscription, now, count = ARGV[1], ARGV[2], server_now(), tonumber(ARGV[5])
if (redis.call("GET", own .. "version") or "0") ~= ARGV[3] then return -1 end
local place = ARGV[4] ~= "" and cjson.decode(ARGV[4])
expect_dead(own, subscription)
local letters, isRead = {}, {}
for index = 1, count do
  local id = ARGV[5 + index]
  local dead = not isRead[id] and read_dead(own, subscription, id)
  isRead[id] = true
  if dead and dead.data then
    local info = dead.info
    if info.blocksNow then
      expect_lane(own, info.queue, info.key)
      expect_queue(info.queue)
    elseif info.key then
      expect_place(own, place or { queue = info.queue }, info.key)
    else
      expect_queue(place and place.queue or info.queue)
    end
    dead.jobId = ARGV[5 + count + index]
    dead.data = ARGV[5 + 2 * count + index] or dead.data
    table.insert(letters, dead)
  end
end

for _, dead in ipairs(letters) do
  local info, data, jobId = dead.info, dead.data, dead.jobId
  remove_dead(own, subscription, dead, now, true)
  if info.blocksNow then
    redis.call("LPUSH", lane_key(own, info.queue, info.key), data)
    info.turn.id = turn_id(jobId)
    add_turn(own, info.queue, info.key, info.turn, now)
  elseif info.key then
    info.turn.id = turn_id(jobId)
    enter_lane(own, place or { queue = info.queue, reviveAfterMs = 0 }, info.key, data, info.turn, now)
  else
    local queue = place and place.queue or info.queue
    add_job(queue, { id = jobId, name = info.name, priority = info.priority, delay = 0 }, data, now)
  end
end
return #letters
`,
);

/** Deletes dead letters. KEYS[1]: the sorted set. ARGV: prefix of our own keys, subscription, ids. */
export const DISCARD_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES", "DEAD_LETTERS"],
  `
local own, subscription, now = ARGV[1], ARGV[2], server_now()
expect_dead(own, subscription)
local discarded = 0
for index = 3, #ARGV do
  local dead = read_dead(own, subscription, ARGV[index])
  if dead then
    remove_dead(own, subscription, dead, now)
    discarded = discarded + 1
  end
end
return discarded
`,
);

/**
 * Drops dead letters beyond their bounds, at most 2 000. KEYS[1]: the sorted set. ARGV: prefix of our own
 * keys, subscription, bound by number, and by age in milliseconds. Answers with how many.
 */
export const TRIM_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES", "DEAD_LETTERS"],
  `
expect_dead(ARGV[1], ARGV[2])
local bounds = { max = tonumber(ARGV[3]), maxAge = tonumber(ARGV[4]) }
return trim_dead(ARGV[1], ARGV[2], bounds, server_now())
`,
);

/** A dead letter to add: its entry in a request, and the two texts that go with it. */
export interface NewDeadLetter {
  readonly spec: DeadSpec;
  readonly texts: readonly [info: string, data: string];
}

/** A delivery that is dead. `data` is that of the job that a replay adds. */
export function createDeadLetter({
  id,
  subscription,
  data,
  reason,
  state,
  ...replay
}: {
  readonly id: string;
  readonly subscription: string;
  readonly data: string;
  readonly reason: string;
  readonly state: JsonValue;
} & Pick<DeadInfo, "queue" | "name" | "priority" | "key" | "turn">): NewDeadLetter {
  const info: DeadInfo = { reason, state, ...replay };
  return {
    spec: { subscription, id },
    texts: [JSON.stringify(info), data],
  };
}
