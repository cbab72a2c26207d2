import { SERVER_TIME } from "./server-time.ts";

/** What {@link PUBLISH_ONE_SCRIPT} answers: to make, send and read a list of words takes a tenth of its time. */
export const ONE_ANSWER = { done: 1, other: 0, stale: -1 } as const;

/**
 * Publishes what is one job of one subscription, in short. ARGV: the version of the list of subscriptions
 * that was routed by; key, number and milliseconds of what is remembered of this process's last publish, as in a
 * `PublishRequest`; key of the times at which subscriptions were declared, the subscription, and milliseconds
 * after which it is orphaned; key prefix of the queue; of the job: id, name, priority, options and data. A release
 * of an event that was not staged has three more: the key under which its staging would be remembered, for how
 * many milliseconds, and the key of the group's events, of which there must be none.
 *
 * Answers {@link ONE_ANSWER}: `done` and `stale` as the script for all publishes does, or `other`: that one has
 * to be asked, and nothing was done.
 *
 * It writes what BullMQ's addPrioritizedJob writes, for a job that has no parent, is no duplicate and joins a
 * queue that is in use and neither paused nor limited. A test compares the two, and `start` refuses a BullMQ
 * that has another script. To call BullMQ's function takes
 * as long again, most of it to make functions for jobs that are none of ours.
 */
export const PUBLISH_ONE_SCRIPT: string = `${SERVER_TIME}
local call = redis.call
local last = call("GET", ARGV[2])
if last then
  -- Only a number, unless there was something to tell.
  local seq = tonumber(last)
  local isBare = seq ~= nil
  if not isBare then seq = tonumber(string.match(last, "^%d+") or 0) end
  if seq >= tonumber(ARGV[3]) then return isBare and ${ONE_ANSWER.done} or ${ONE_ANSWER.other} end
end
if (call("GET", KEYS[1]) or "0") ~= ARGV[1] then return ${ONE_ANSWER.stale} end

local now = server_now()
local seenAt = call("ZSCORE", ARGV[5], ARGV[6])
if not seenAt or now - tonumber(seenAt) >= tonumber(ARGV[7]) then return ${ONE_ANSWER.other} end
if ARGV[14] and call("EXISTS", ARGV[14], ARGV[16]) > 0 then return ${ONE_ANSWER.other} end
local queue, id, name, priority = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local meta = call("HMGET", queue .. "meta", "opts.maxLenEvents", "paused", "concurrency")
if not meta[1] or meta[2] or meta[3] then return ${ONE_ANSWER.other} end

local function add()
  call("INCR", queue .. "id")
  call("HMSET", queue .. id, "name", name, "data", ARGV[13], "opts", ARGV[12], "timestamp", now,
    "delay", 0, "priority", priority)
  call("XADD", queue .. "events", "*", "event", "added", "jobId", id, "name", name)
  local place = call("INCR", queue .. "pc") % 0x100000000
  call("ZADD", queue .. "prioritized", tonumber(priority) * 0x100000000 + place, id)
  call("ZADD", queue .. "marker", 0, "0")
  call("XADD", queue .. "events", "MAXLEN", "~", meta[1], "*", "event", "waiting", "jobId", id)
end
if not pcall(add) then
  -- Whatever is wrong with the queue, the other script says it.
  redis.pcall("ZREM", queue .. "prioritized", id)
  redis.pcall("DEL", queue .. id)
  return ${ONE_ANSWER.other}
end
if ARGV[14] then call("SET", ARGV[14], "1", "PX", ARGV[15]) end
call("SET", ARGV[2], ARGV[3], "PX", ARGV[4])
return ${ONE_ANSWER.done}
`;
