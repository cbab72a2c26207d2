import { withLibrary } from "./lua-library.ts";

/** How many bodies are looked at in one go, and about how many of their jobs. */
const AT_ONCE = 100;
const MOST_JOBS = 5_000;

/**
 * Deletes bodies whose jobs are all gone, because somebody has removed these by hand, or BullMQ has removed
 * completed ones that it had kept. KEYS[1]: the sorted set of bodies. ARGV: prefix of our own keys,
 * milliseconds for which nobody else looks, and "1" to go on with a look that has begun. Answers with how
 * many were deleted, and whether more are to be looked at.
 */
export const SWEEP_BODIES_SCRIPT: string = withLibrary(
  ["BODIES"],
  `
local own, now, every = ARGV[1], server_now(), tonumber(ARGV[2])
-- Tells a Redis that is full that this script must not be refused: it makes room.
redis.call("ZREM", KEYS[1], "")
if ARGV[3] ~= "1" and not redis.call("SET", own .. "swept", "1", "PX", every, "NX") then return { 0, 0 } end
local bodies = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now - every, "LIMIT", 0, ${AT_ONCE})
local looked, deleted = 0, 0
for index, body in ipairs(bodies) do
  if looked > ${MOST_JOBS} then return { deleted, 1 } end
  -- What somebody has made something else of is left alone.
  local jobs = redis.pcall("SMEMBERS", body_jobs_key(own, body))
  for _, job in ipairs(jobs) do
    if redis.call("EXISTS", job) == 0 then redis.call("SREM", body_jobs_key(own, body), job) end
  end
  looked = looked + #jobs
  if drop_unheld_body(own, body) then
    deleted = deleted + 1
  else
    redis.call("ZADD", KEYS[1], now, body)
  end
end
return { deleted, #bodies == ${AT_ONCE} and 1 or 0 }
`,
);
