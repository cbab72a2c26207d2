/**
 * `holds(queue, id, token, worker, lockDuration)` tells whether this process has a job in hand: the lock is its
 * own. A lock that ended while Redis could not be reached is taken again, unless somebody has found the job
 * meanwhile: as long as nobody has, it is still among the active ones, and says who took it. So what was done
 * is not repeated.
 */
export const HOLDING = `
local function holds(queue, id, token, worker, lockDuration)
  local job = queue .. id
  local lock = redis.pcall("GET", job .. ":lock")
  if lock then return lock == token end
  if redis.pcall("HGET", job, "pb") ~= worker then return false end
  if type(redis.pcall("LPOS", queue .. "active", id)) ~= "number" then return false end
  -- Tells a Redis that is full that this script must not be refused: what it ends makes room.
  redis.pcall("SREM", queue .. "stalled", id)
  redis.call("SET", job .. ":lock", token, "PX", lockDuration)
  return true
end
`;
