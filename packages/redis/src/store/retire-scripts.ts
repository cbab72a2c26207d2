import { withLibrary } from "./lua-library.ts";
import { TURNS } from "./turn-library.ts";

/** A delivery that becomes a dead letter; what is known of it and its data are arguments. */
export interface RetiredDead {
  readonly id: string;
}

/**
 * ARGV[1] of the script, as JSON. The data of what is kept of the job follows, or "", and then for each
 * of `dead` what is known of it and the data that a replay adds.
 */
export interface RetireJobRequest {
  readonly own: string;
  /** Key prefix of the queue, with its last colon. */
  readonly queue: string;
  readonly id: string;
  readonly subscription: string;
  /** Where the job waits: the end of a key. */
  readonly state: "prioritized" | "delayed" | "wait";
  /** What was settled of it when it was read, as JSON, or "". */
  readonly progress: string;
  /** Id and name of the job that has the events that are kept. Absent: none are. */
  readonly kept?: { readonly id: string; readonly name: string };
  readonly dead: readonly RetiredDead[];
  /** How many dead letters the subscription keeps. */
  readonly maxDead: number;
  /** The body that the job refers to, and what is kept of it, too. */
  readonly body?: string;
  /** Under which deduplication remembers what is discarded: forgotten with it. */
  readonly forget: readonly string[];
}

/**
 * Takes events out of a job that waits. KEYS[1]: the job. Answers with 1, with 0 if the job is not as it was read, and
 * with -1 if dead letters have no room for all of its events.
 */
export const RETIRE_JOB_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES", "DEAD_LETTERS", "BODIES", "BODY_HOLDERS"],
  `
local request = cjson.decode(ARGV[1])
local own, queue, id, now = request.own, request.queue, request.id, server_now()
local job, place = KEYS[1], queue .. request.state
if (redis.call("HGET", job, "progress") or "") ~= request.progress then return 0 end
expect_queue(queue)
if #request.dead > 0 then
  expect_dead(own, request.subscription)
  if dead_room(own, request.subscription, request.maxDead) < #request.dead then return -1 end
end
if request.body then expect_body(own, request.body) end

local isRetry = #request.forget > 0 and redis.call("HEXISTS", job, "deid") == 0
-- Whoever has taken it meanwhile has taken it from its place.
local kept = request.kept
if request.state == "wait" then
  if not redis.call("LPOS", place, id) then return 0 end
  if kept then redis.call("LINSERT", place, "BEFORE", id, kept.id) end
  redis.call("LREM", place, 1, id)
else
  local score = redis.call("ZSCORE", place, id)
  if not score then return 0 end
  redis.call("ZREM", place, id)
  if kept then redis.call("ZADD", place, score, kept.id) end
end
if kept then
  redis.call("RENAME", job, queue .. kept.id)
  redis.call("HSET", queue .. kept.id, "data", ARGV[2], "name", kept.name)
  redis.call("HDEL", queue .. kept.id, "progress")
else
  redis.call("DEL", job)
end
redis.call("DEL", job .. ":logs")
if request.body then
  if kept then hold_body(own, request.body, queue .. kept.id) end
  leave_body(own, request.body, job)
end
local maxEvents = redis.call("HGET", queue .. "meta", "opts.maxLenEvents") or 10000
redis.call("XADD", queue .. "events", "MAXLEN", "~", maxEvents, "*", "event", "removed", "jobId", id,
  "prev", request.state)

for index, dead in ipairs(request.dead) do
  add_dead(own, request.subscription, dead.id, ARGV[2 * index + 1], ARGV[2 * index + 2], now)
end
for _, scoped in ipairs(request.forget) do
  local holder = redis.call("GET", own .. "de:" .. scoped)
  local isOurs = holder == id
  -- A retry is another job than the one that was remembered, which is gone then.
  if holder and isRetry then isOurs = redis.call("EXISTS", queue .. holder) == 0 end
  if isOurs then redis.call("DEL", own .. "de:" .. scoped) end
end
return 1
`,
);

/**
 * ARGV[1] of the script, as JSON. The deliveries to take out follow, each as it is in the lane, and then,
 * if they become dead letters, for each what is known of it and the data that a replay adds.
 */
export interface RetireLaneRequest {
  readonly own: string;
  /** Key prefix of the queue, with its last colon. */
  readonly queue: string;
  readonly key: string;
  readonly subscription: string;
  /** The part of the lane that has the deliveries: its first and last position. */
  readonly first: number;
  readonly last: number;
  /** How many deliveries to take out. */
  readonly count: number;
  /** One for each, or empty. */
  readonly dead: readonly RetiredDead[];
  /** How many dead letters the subscription keeps. */
  readonly maxDead: number;
  /** For each that is discarded under which deduplication remembers it, or "". */
  readonly forget: readonly string[];
}

/**
 * Takes deliveries out of a lane. KEYS[1]: the queue's lanes. Those that a turn has in hand stay, and those that dead
 * letters have no room for. If the first goes, the next neither waits for its retry, nor is charged with its crashes.
 * Answers with how many were taken out, or -1 if there is no room at all.
 */
export const RETIRE_LANE_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES", "DEAD_LETTERS"],
  `${TURNS}
local request = cjson.decode(ARGV[1])
local own, queue, key, count = request.own, request.queue, request.key, request.count
local now = server_now()
local turn = redis.call("HGET", KEYS[1], key)
if not turn then return 0 end
expect_queue(queue)
local room = count
if #request.dead > 0 then
  expect_dead(own, request.subscription)
  room = dead_room(own, request.subscription, request.maxDead)
  if room <= 0 then return -1 end
end

local lane = lane_key(own, queue, key)
local place = place_of_turn(queue, turn)
local inHand = in_hand_of(queue, lane, turn)

-- Several may be alike.
local unwanted = {}
for index = 1, count do
  local item = ARGV[1 + index]
  unwanted[item] = unwanted[item] or {}
  table.insert(unwanted[item], index)
end
local first = math.max(inHand, request.first)
local gone = "gone"
-- Writes first: this also tells a Redis that is full that this script must not be refused.
redis.call("LTRIM", lane, 0, -1)
local removed, isHeadGone = {}, false
for at, item in ipairs(redis.call("LRANGE", lane, first, request.last)) do
  local alike = unwanted[item]
  if alike and #alike > 0 and #removed < room then
    removed[#removed + 1] = table.remove(alike, 1)
    redis.call("LSET", lane, first + at - 1, gone)
    isHeadGone = isHeadGone or first + at == 1
  end
end
if #removed == 0 then return 0 end

redis.call("LREM", lane, #removed, gone)
if place and redis.call("EXISTS", lane) == 0 then
  if place == "wait" then
    redis.call("LREM", queue .. "wait", 1, turn)
  else
    redis.call("ZREM", queue .. place, turn)
  end
  redis.call("DEL", queue .. turn)
  redis.call("HDEL", KEYS[1], key)
elseif place and isHeadGone then
  begin_turn_anew(queue, turn, place, now)
end

for _, index in ipairs(removed) do
  local dead = request.dead[index]
  if dead then
    local at = count + 2 * index
    add_dead(own, request.subscription, dead.id, ARGV[at], ARGV[at + 1], now)
  end
  local scoped = request.forget[index] or ""
  if scoped ~= "" then redis.call("DEL", own .. "de:" .. scoped) end
end
return #removed
`,
);
