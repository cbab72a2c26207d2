import { READING } from "./reading-library.ts";
import { SERVER_TIME } from "./server-time.ts";

/**
 * Reserves starts of runs. KEYS[1]: the starts of the subscription, a sorted set by time. ARGV: how many runs may start
 * in a window, milliseconds of the window, how many starts are asked for, milliseconds of the horizon, and an id of
 * this request. Answers with the time, how many milliseconds from now each start is, and how many milliseconds from now the first
 * start is that lies beyond the horizon, or -1 if all were reserved.
 *
 * The run that is `max` runs later starts a window later at the earliest. The set keeps as many starts as the largest
 * `max` that was asked for: the member "max" has it as a negative score. It expires a window after its last start.
 * No start is later than the horizon and the window, unless the clock was set back since. Then it counts from now on,
 * and so does the expiry.
 */
export const RESERVE_SCRIPT: string = `${SERVER_TIME}${READING}
local starts = KEYS[1]
local max, window, count, horizon = tonumber(ARGV[1]), math.ceil(tonumber(ARGV[2])),
  tonumber(ARGV[3]), tonumber(ARGV[4])
expect(starts, "zset")
-- Tells a Redis that is full that this script must not be refused: runs make room.
redis.call("ZREM", starts, "")
local now = server_now()
local function set_back()
  local late = redis.call("ZRANGEBYSCORE", starts, string.format("(%.0f", now + math.max(horizon, window)), "+inf", "WITHSCORES")
  if #late == 0 then return end
  local ttl = redis.call("PTTL", starts) - (tonumber(late[#late]) - now)
  for index = 1, #late, 2 do redis.call("ZADD", starts, now, late[index]) end
  redis.call("PEXPIRE", starts, string.format("%.0f", math.max(ttl, window)))
end
set_back()
local most = math.max(-(tonumber(redis.call("ZSCORE", starts, "max") or 0)), max)
local waits, later = {}, -1
local expireAt = 0
for index = 1, count do
  local before = redis.call("ZRANGE", starts, -max, -max, "WITHSCORES")[2]
  local at = now
  if before and tonumber(before) >= 0 then at = math.max(now, tonumber(before) + window) end
  if at - now > horizon then
    later = at - now
    break
  end
  if index == 1 then redis.call("ZADD", starts, -most, "max") end
  redis.call("ZADD", starts, at, ARGV[5] .. ":" .. index)
  expireAt = at + window
  waits[index] = at - now
end
if #waits > 0 then
  redis.call("ZREMRANGEBYRANK", starts, 1, -most - 1)
  if redis.call("PTTL", starts) < expireAt - now then redis.call("PEXPIRE", starts, expireAt - now) end
end
return { now, waits, later }
`;
