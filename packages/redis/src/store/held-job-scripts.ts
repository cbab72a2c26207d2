import { bullFunctions } from "./bullmq-scripts.ts";
import { HOLDING } from "./holding-library.ts";
import { withLibrary } from "./lua-library.ts";
import { READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";
import type { Place, TurnSpec } from "./publish-script.ts";
import type { FinishSpec } from "./settle-script.ts";

/** ARGV[1] of {@link LATE_SCRIPT}, as JSON. ARGV[2] is the delivery, as its lane keeps it. */
export interface LateRequest {
  readonly own: string;
  /** Key prefix of the queue, with its last colon. */
  readonly queue: string;
  readonly id: string;
  readonly token: string;
  /** The version of the list of subscriptions that the place is from. */
  readonly version: string;
  readonly place: Place;
  readonly key: string;
  /** Added if the lane was empty. */
  readonly turn: TurnSpec;
  readonly finish: FinishSpec;
}

/**
 * A delayed delivery that is kept in order is due: it enters its lane, and its job is completed. KEYS[1]:
 * the job. Answers `lost`, `stale` if the list of subscriptions has changed, or `done` with what BullMQ
 * answers of each job that is taken.
 */
export const LATE_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "TAKE_JOBS", "FINISH_JOB", "LANES", "HOLDING"],
  `
local request = cjson.decode(ARGV[1])
local own, queue, now = request.own, request.queue, server_now()
local finish = request.finish
if not holds(queue, request.id, request.token, finish.worker, finish.lockDuration) then
  return { "lost" }
end
if (redis.call("GET", own .. "version") or "0") ~= request.version then return { "stale" } end
expect_place(own, request.place, request.key)
-- Tells a Redis that is full that this script must not be refused: it adds nothing that was not there.
redis.call("PEXPIRE", KEYS[1] .. ":lock", finish.lockDuration)
enter_lane(own, request.place, request.key, ARGV[2], request.turn, now)
return { "done", finish_job(queue, request.id, finish, now) }
`,
);

/**
 * Takes jobs, each under a lock. KEYS[1]: the queue's `meta`. ARGV: key prefix of the queue, token, name of
 * the worker, duration of the lock in milliseconds, how many events are wanted. Answers `taken`, with
 * what BullMQ's moveToActive answers of each: its `Worker` asks for one job at a time by the same script,
 * and would make an object of a class of each.
 */
export const TAKE_SCRIPT: string = withLibrary(
  ["TAKE_JOBS"],
  `
local queue, now = ARGV[1], server_now()
-- Tells a Redis that is full that this script must not be refused: what it takes makes room.
redis.call("SREM", queue .. "stalled", "")
rename_damaged_due(queue, now)
return { "taken", take_jobs({}, queue, tonumber(ARGV[5]),
  { token = ARGV[2], name = ARGV[3], lockDuration = tonumber(ARGV[4]) }, now) }
`,
);

/**
 * Keeps the locks of jobs in hand. KEYS[1]: the queue's `stalled`. ARGV: key prefix of the queue, token,
 * duration of locks in milliseconds, name of the worker, ids. Answers with the ids of those that have ended. As BullMQ does,
 * whose script a Redis that is full refuses.
 */
export const RENEW_SCRIPT: string = `${HOLDING}
redis.call("SCARD", KEYS[1])
local lost = {}
for index = 5, #ARGV do
  local id = ARGV[index]
  if holds(ARGV[1], id, ARGV[2], ARGV[4], ARGV[3]) then
    redis.call("PEXPIRE", ARGV[1] .. id .. ":lock", ARGV[3])
    redis.call("SREM", KEYS[1], id)
  else
    table.insert(lost, id)
  end
end
return lost
`;

/**
 * Hands a job back as it is, with its progress: to the front of its queue, or for later. KEYS[1]: the job.
 * ARGV: key prefix of the queue, id, token, delay in milliseconds, name of the worker, duration of its lock in
 * milliseconds. Nothing happens without the lock.
 */
export const GIVE_BACK_SCRIPT: string = `${SERVER_TIME}${READING}${HOLDING}
${bullFunctions(["moveJobFromActiveToWait", "moveToDelayed"])}
local queue, id, token, delay = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if not holds(queue, id, token, ARGV[5], ARGV[6]) then return 0 end
expect(KEYS[1], "hash")
expect_queue(queue)
if delay > 0 then
  bull_moveToDelayed({ queue .. "marker", queue .. "active", queue .. "prioritized", queue .. "delayed",
    KEYS[1], queue .. "events", queue .. "meta", queue .. "stalled", queue .. "wait", queue .. "limiter",
    queue .. "pc" }, { queue, server_now(), id, token, ARGV[4], "1", "", "0", "" })
else
  bull_moveJobFromActiveToWait({ queue .. "active", queue .. "wait", queue .. "stalled",
    queue .. "paused", queue .. "meta", queue .. "limiter", queue .. "prioritized", queue .. "marker",
    queue .. "events" }, { id, token, KEYS[1] })
  -- BullMQ wakes nobody for it.
  redis.call("ZADD", queue .. "marker", 0, "0")
end
return 1
`;

/**
 * Finds jobs that were handed out in an answer which was lost with the connection, and keeps their locks.
 * KEYS[1]: the queue's list of active jobs. ARGV: key prefix of the queue, token, duration of locks in
 * milliseconds, name of the worker, ids of jobs that are known. Answers with jobs as BullMQ's moveToActive does.
 */
export const RECLAIM_SCRIPT: string = `${HOLDING}
local queue, token = ARGV[1], ARGV[2]
local known, found = {}, {}
for index = 5, #ARGV do known[ARGV[index]] = true end
for _, id in ipairs(redis.call("LRANGE", KEYS[1], 0, -1)) do
  if not known[id] and holds(queue, id, token, ARGV[4], ARGV[3]) then
    local job = redis.pcall("HGETALL", queue .. id)
    if not job.err then
      redis.call("PEXPIRE", queue .. id .. ":lock", ARGV[3])
      table.insert(found, { job, id })
    end
  end
end
return found
`;
