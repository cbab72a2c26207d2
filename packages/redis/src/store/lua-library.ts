import { bullFunctions } from "./bullmq-scripts.ts";
import { HOLDING } from "./holding-library.ts";
import { DAMAGED_JOBS, READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

/**
 * `add_job(queue, job, data, now)` puts a job into a queue, as BullMQ does. `queue` is the queue's key
 * prefix with its last colon. Of `job`: `id`, `name`, `priority`, `delay` in milliseconds (0 is none),
 * `front` (before all others of its priority: it has waited already), `dedup`, `dedupKey` and `dedupTtl`.
 * Returns the id of the job that it is a duplicate of, or nil.
 */
const ADD_JOB = `
${bullFunctions(["addDelayedJob", "addPrioritizedJob"])}
local function add_job(queue, job, data, now)
  local args = { queue, job.id, job.name, now }
  local opts = { attempts = 1, priority = job.priority }
  if job.dedup then
    args[9] = job.dedupKey
    opts.de = { id = job.dedup, ttl = job.dedupTtl }
  end
  local added
  if job.delay > 0 then
    opts.delay = job.delay
    added = bull_addDelayedJob({ queue .. "marker", queue .. "meta", queue .. "id", queue .. "delayed",
      queue .. "completed", queue .. "events" }, { args, data, opts })
  else
    added = bull_addPrioritizedJob({ queue .. "marker", queue .. "meta", queue .. "id",
      queue .. "prioritized", queue .. "delayed", queue .. "completed", queue .. "active",
      queue .. "events", queue .. "pc" }, { args, data, opts })
    if job.front then
      redis.call("ZADD", queue .. "prioritized", "XX", job.priority * 0x100000000, job.id)
    end
  end
  if added ~= job.id then return added end
end
`;

/**
 * `take_jobs(answers, queue, wanted, worker, now)` takes jobs, each under a lock, until they have as many
 * events as are wanted, or none is left. It appends what BullMQ's moveToActive answers: each job, and what
 * it says of an empty queue. The turn of a lane counts as one event. `worker` has `token`, `name` and
 * `lockDuration`.
 */
const TAKE_JOBS = `
${DAMAGED_JOBS}${bullFunctions(["moveToActive"])}
local function is_job(answer) return type(answer) == "table" and type(answer[1]) == "table" end
local function events_of(answer)
  return math.max(tonumber(string.match(answer[2], "x(%d+)$")) or 1, 1)
end
local function take_jobs(answers, queue, wanted, worker, now)
  local keys = { queue .. "wait", queue .. "active", queue .. "prioritized", queue .. "events",
    queue .. "stalled", queue .. "limiter", queue .. "delayed", queue .. "paused", queue .. "meta",
    queue .. "pc", queue .. "marker" }
  while wanted > 0 do
    local is_taken, answer = pcall(bull_moveToActive, keys, { queue, now, worker })
    if not is_taken then
      -- Those that were taken before must not be lost with the answer.
      if #answers == 0 then error(answer, 0) end
      break
    end
    table.insert(answers, answer)
    if not is_job(answer) then break end
    wanted = wanted - events_of(answer)
  end
  return answers
end
`;

/**
 * `finish_job(queue, id, finish, now)` completes an active job that we hold the lock of, and takes jobs of
 * `finish.wanted` events. Returns what BullMQ answers of each, as `take_jobs` does.
 */
const FINISH_JOB = `
${bullFunctions(["moveToFinished"])}
local function finish_job(queue, id, finish, now)
  local wanted = finish.wanted
  if wanted > 0 then rename_damaged_due(queue, now) end
  local opts = { token = finish.token, name = finish.worker, keepJobs = finish.keep,
    lockDuration = finish.lockDuration, attempts = 1, maxMetricsSize = "" }
  local next = bull_moveToFinished({ queue .. "wait", queue .. "active", queue .. "prioritized",
    queue .. "events", queue .. "stalled", queue .. "limiter", queue .. "delayed", queue .. "paused",
    queue .. "meta", queue .. "pc", queue .. "completed", queue .. id, queue .. "metrics:completed",
    queue .. "marker" }, { id, now, "returnvalue", "null", "completed", wanted > 0 and "1" or "0",
    queue, opts, "" })
  if not is_job(next) then return { next } end
  return take_jobs({ next }, queue, wanted - events_of(next), opts, now)
end
`;

/**
 * Ordered subscriptions keep the deliveries of one key in a list, its lane, and one job in the queue
 * stands for the lane's turn: whoever holds the job holds the key. The hash of the queue's lanes has a
 * field per lane that is not empty: the id of its turn, or "!" and the id of the dead letter that
 * blocks it.
 *
 * `enter_lane(own, at, key, data, turn, now)` puts a delivery into a lane. `own` is the prefix of our own
 * keys, `turn` the job that is added if the lane was empty. `at` is the subscription's place: its `queue`,
 * and its `formers`, queues that it had before and has not emptied yet. A lane stays where it is until it
 * is empty, so that no key is in two queues at a time.
 *
 * A turn that somebody has removed by hand is added again, `at.reviveAfterMs` later: by then, whoever had
 * it in hand knows that it is gone.
 */
const LANES = `
local function lane_key(own, queue, key) return own .. "lane:" .. queue .. key end
local function lanes_key(own, queue) return own .. "lanes:" .. queue end
local function add_turn(own, queue, key, turn, now)
  redis.call("HSET", lanes_key(own, queue), key, turn.id)
  add_job(queue, turn, turn.data, now)
end
local function lane_queue(own, at, key)
  for _, former in ipairs(at.formers or {}) do
    if redis.call("HEXISTS", lanes_key(own, former), key) == 1 then return former end
  end
  return at.queue
end
local function is_turn_lost(queue, turn)
  return string.sub(turn, 1, 1) ~= "!" and redis.call("EXISTS", queue .. turn) == 0
end
local function enter_lane(own, at, key, data, turn, now)
  local queue = lane_queue(own, at, key)
  redis.call("RPUSH", lane_key(own, queue, key), data)
  local present = redis.call("HGET", lanes_key(own, queue), key)
  if present and is_turn_lost(queue, present) then turn.delay = at.reviveAfterMs end
  if not present or turn.delay > 0 then add_turn(own, queue, key, turn, now) end
end
local function expect_lane(own, queue, key)
  expect(lanes_key(own, queue), "hash")
  expect(lane_key(own, queue, key), "list")
end
-- Before enter_lane.
local function expect_place(own, at, key)
  for _, former in ipairs(at.formers or {}) do expect(lanes_key(own, former), "hash") end
  local queue = lane_queue(own, at, key)
  expect_lane(own, queue, key)
  expect_queue(queue)
end
-- What waits behind a blocking dead letter goes on, when that is replayed, discarded or dropped.
local function unblock_lane(own, queue, key, turn, now)
  if redis.call("LLEN", lane_key(own, queue, key)) > 0 then
    add_turn(own, queue, key, turn, now)
  else
    redis.call("HDEL", lanes_key(own, queue), key)
  end
end
`;

/**
 * Dead letters of a subscription: a sorted set of their ids by time of death, and two hashes by id:
 * what is known of each as JSON (`{ reason, state, job, queue, key? }`), and the data
 * of the job that a replay adds.
 */
const DEAD_LETTERS = `
-- The id that a subscription has now: a process may not know yet that another release has renamed it.
local function present_id(own, id)
  local record = read_object(redis.call("HGET", own .. "subscriptions", id))
  return record and type(record.renamedTo) == "string" and record.renamedTo or id
end
local function dead_key(own, subscription) return own .. "dead:" .. subscription end
local function dead_info_key(own, subscription) return own .. "dead-info:" .. subscription end
local function dead_data_key(own, subscription) return own .. "dead-data:" .. subscription end
local function add_dead(own, subscription, id, info, data, now)
  redis.call("ZADD", dead_key(own, subscription), now, id)
  redis.call("HSET", dead_info_key(own, subscription), id, info)
  redis.call("HSET", dead_data_key(own, subscription), id, data)
end
-- How many more there may be.
local function dead_room(own, subscription, max)
  return max - redis.call("ZCARD", dead_key(own, subscription))
end
-- The id of a turn that stands in for a job or a dead letter. No other has it, and no events are counted.
local function turn_id(id)
  return (string.gsub(id, "x%d+$", "")) .. "tx0"
end
local function expect_dead(own, subscription)
  expect(dead_key(own, subscription), "zset")
  expect(dead_info_key(own, subscription), "hash")
  expect(dead_data_key(own, subscription), "hash")
end
local function is_turn(turn)
  return type(turn) == "table" and type(turn.name) == "string" and type(turn.data) == "string"
    and type(turn.priority) == "number" and type(turn.delay) == "number"
end
-- Reads a dead letter: { id, data, info }, or nil if there is none. \`info\` is what is known of it, as far as
-- that can be read. Its data is nil if it cannot be replayed.
local function read_dead(own, subscription, id)
  if not redis.call("ZSCORE", dead_key(own, subscription), id) then return nil end
  local info = read_object(redis.call("HGET", dead_info_key(own, subscription), id)) or {}
  local data = redis.call("HGET", dead_data_key(own, subscription), id) or nil
  local isOrdered = type(info.key) == "string" and is_turn(info.turn)
  if type(info.queue) ~= "string" or type(info.name) ~= "string" or type(info.priority) ~= "number"
    or info.key ~= nil and not isOrdered then
    return { id = id, info = {} }
  end
  if isOrdered then
    local lanes = lanes_key(own, info.queue)
    info.blocksNow = is_kind(lanes, "hash") and redis.call("HGET", lanes, info.key) == "!" .. id
  end
  return { id = id, data = data, info = info }
end
-- Deletes a dead letter that was read, and lets the lane that it blocks go on. If that fails, REVIVE_SCRIPT
-- finds the lane.
local function remove_dead(own, subscription, dead, now, keepsBlocking)
  redis.call("ZREM", dead_key(own, subscription), dead.id)
  redis.call("HDEL", dead_info_key(own, subscription), dead.id)
  redis.call("HDEL", dead_data_key(own, subscription), dead.id)
  local info = dead.info
  if info.blocksNow and not keepsBlocking then
    info.turn.id = turn_id(dead.id)
    pcall(unblock_lane, own, info.queue, info.key, info.turn, now)
  end
end
-- Returns how many were dropped. After expect_dead it does not throw.
local function trim_dead(own, subscription, bounds, now)
  local key = dead_key(own, subscription)
  local old = redis.call("ZRANGEBYSCORE", key, "-inf", now - bounds.maxAge, "LIMIT", 0, 1000)
  local excess = redis.call("ZCARD", key) - #old - bounds.max
  if excess > 0 then
    local more = redis.call("ZRANGE", key, #old, #old + math.min(excess, 1000) - 1)
    for _, id in ipairs(more) do table.insert(old, id) end
  end
  for _, id in ipairs(old) do
    local dead = read_dead(own, subscription, id)
    if dead then remove_dead(own, subscription, dead, now) end
  end
  return #old
end
`;

/**
 * A request whose answer was lost with the connection is sent again: what it did must not be done twice.
 * `is_repeated(job, token, step)` tells, `mark_step` leaves the mark. A step that completes its job needs
 * neither: the lock is gone with it.
 */
const STEPS = `
local function is_repeated(job, token, step)
  local last = redis.call("HGET", job, "step")
  if not last then return false end
  local by, number = string.match(last, "^(.*):(%d+)$")
  return by == token and tonumber(number) >= step
end
-- Keeping the lock first also tells a Redis that is full that this script must not be refused: what it
-- writes makes room.
local function mark_step(job, token, step, lockDuration)
  redis.call("PEXPIRE", job .. ":lock", lockDuration)
  redis.call("HSET", job, "step", token .. ":" .. step)
end
`;

/**
 * Bodies: packs that are stored once for all jobs that refer to them. A hash has the packs by their number,
 * a set the keys of the jobs, and a sorted set has all bodies by when somebody last looked whether these
 * jobs are still there. A set, not a count: what is told twice does no harm, and a job that somebody has
 * removed by hand is found to be gone.
 */
const BODIES = `
local function body_key(own, body) return own .. "body:" .. body end
local function body_jobs_key(own, body) return own .. "body-jobs:" .. body end
-- None of what follows throws: it comes after what must be done.
local function drop_unheld_body(own, body)
  if redis.call("EXISTS", body_jobs_key(own, body)) == 1 then return false end
  redis.call("UNLINK", body_key(own, body))
  redis.pcall("ZREM", own .. "bodies", body)
  return true
end
-- Unless the job is kept, as completed ones are if that is asked for.
local function leave_body(own, body, job)
  if redis.call("EXISTS", job) == 1 then return end
  if redis.pcall("SREM", body_jobs_key(own, body), job) == 1 then drop_unheld_body(own, body) end
end
`;

/** Jobs that come to refer to a body. After `BODIES`, and `READING`. */
const BODY_HOLDERS = `
-- Before hold_body, of a body that is not new.
local function expect_body(own, body) expect(body_jobs_key(own, body), "set") end
local function hold_body(own, body, job) redis.call("SADD", body_jobs_key(own, body), job) end
-- What was sent as a draft stays, if any job refers to it.
local function keep_body(own, body, draft, now)
  if redis.call("EXISTS", body_jobs_key(own, body)) == 0 then
    redis.call("UNLINK", draft)
    return
  end
  redis.call("RENAME", draft, body_key(own, body))
  redis.call("HDEL", body_key(own, body), "draft")
  redis.call("PERSIST", body_key(own, body))
  redis.call("ZADD", own .. "bodies", now, body)
end
`;

type Part =
  | "READING"
  | "ADD_JOB"
  | "TAKE_JOBS"
  | "FINISH_JOB"
  | "LANES"
  | "DEAD_LETTERS"
  | "STEPS"
  | "BODIES"
  | "BODY_HOLDERS"
  | "HOLDING";

const PARTS: Readonly<Record<Part, string>> = {
  READING,
  ADD_JOB,
  TAKE_JOBS,
  FINISH_JOB,
  LANES,
  DEAD_LETTERS,
  STEPS,
  BODIES,
  BODY_HOLDERS,
  HOLDING,
};

/** The functions that a script uses, and `server_now`, in front of it. */
export function withLibrary(parts: readonly Part[], script: string): string {
  return SERVER_TIME + parts.map((part) => PARTS[part]).join("") + script;
}
