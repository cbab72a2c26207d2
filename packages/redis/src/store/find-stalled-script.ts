import { bullFunctions } from "./bullmq-scripts.ts";
import { DAMAGED_JOBS, READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

/** Milliseconds within which all that a process had in hand when it died is found. */
const FOUND_WITHIN_MS = 60_000;

/**
 * Moves what processes that died had in hand back into the queue, if nobody has looked for a while. KEYS[1]:
 * the queue's `stalled`. ARGV: key prefix of the queue, milliseconds for which nobody else looks, prefix
 * of our own keys, key prefixes of all queues. Without these it answers with 1, and does nothing, if something
 * is stalled.
 *
 * How often a delivery may end its process is the bus's to say, and so none fails here. A job of one event
 * whose process had nothing else in hand is what the process died of, as far as anybody knows: its crash
 * counts. If there was anything else, the progress says that it does not.
 */
export const FIND_STALLED_SCRIPT: string = `
${SERVER_TIME}${READING}${DAMAGED_JOBS}${bullFunctions(["moveStalledJobsToWait"])}
local queue, own = ARGV[1], ARGV[3]
local waiting = redis.call("SMEMBERS", KEYS[1])
expect_queue(queue)
-- With thousands of queues, each check of each would name all of them: so only where something is stalled.
if #ARGV == 3 and redis.call("EXISTS", queue .. "stalled-check") == 0 then
  for _, id in ipairs(waiting) do
    if redis.call("EXISTS", queue .. id .. ":lock") == 0 then return 1 end
  end
end
for index = 4, #ARGV do expect(ARGV[index] .. "active", "list") end
rename_damaged(queue, waiting)
-- As in TAKE_SCRIPT: it makes what is left available to those who drain.
redis.call("SREM", KEYS[1], "")
local stalled = bull_moveStalledJobsToWait({ KEYS[1], queue .. "wait", queue .. "active",
  queue .. "stalled-check", queue .. "meta", queue .. "paused", queue .. "marker", queue .. "events",
  queue .. "repeat" }, { ${Number.MAX_SAFE_INTEGER}, queue, server_now(), ARGV[2] })

local function holder_of(prefix, id)
  local holder = redis.pcall("HGET", prefix .. id, "pb")
  return type(holder) == "string" and holder or ""
end
local function died_key(holder) return own .. "died:" .. holder end
local held = {}
for _, id in ipairs(stalled) do
  local holder = holder_of(queue, id)
  held[holder] = (held[holder] or 0) + 1
end
local function has_more(holder)
  if held[holder] > 1 or redis.call("EXISTS", died_key(holder)) == 1 then return true end
  for index = 4, #ARGV do
    for _, id in ipairs(redis.call("LRANGE", ARGV[index] .. "active", 0, -1)) do
      if holder_of(ARGV[index], id) == holder then return true end
    end
  end
  return false
end
for _, id in ipairs(stalled) do
  local job = queue .. id
  local isFirst = redis.call("HGET", job, "stc") == "1" and redis.call("HEXISTS", job, "progress") == 0
  if isFirst and string.match(id, "x1$") and has_more(holder_of(queue, id)) then
    redis.call("HSET", job, "progress", '{"handovers":0}')
  end
end
for holder in pairs(held) do redis.call("SET", died_key(holder), "1", "PX", ${FOUND_WITHIN_MS}) end
`;
