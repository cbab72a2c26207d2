/** Milliseconds for which the call is remembered that has staged events, or a release that did it. */
export const REMEMBER_STAGING_MS = 600_000;

/** The key of what is remembered of such a call. */
export function stagingKey(own: string, token: string): string {
  return `${own}staged:${token}`;
}

/** The key of the events of a group. */
export function groupEventsKey(own: string, id: string): string {
  return `${own}group:${id}`;
}

/**
 * Groups: a list of staged events, a hash of what is known of the group, and sorted sets of all groups
 * by their first event, of the marked ones by their mark, and of those that expire by when. An item of
 * the list is three lines: name, step id or null, and the staged event, each as JSON.
 *
 * `marked` counts the events at the head of the list whose release was asked for, `claimed` those that
 * the claim has. `stager` is the process that has staged all events of the group, as long as there is one and
 * none of them has left it: so it knows what the group holds by their number.
 */
export const GROUPS: string = `
local function group_list(own, id) return own .. "group:" .. id end
local function group_meta(own, id) return own .. "group-meta:" .. id end
local function groups_marked(own) return own .. "groups-marked" end
local function groups_expiring(own) return own .. "groups-expiring" end
local function forget_groups(own, ids)
  -- Lua passes no more than some thousands of arguments.
  for from = 1, #ids, 500 do
    local some, keys = {}, {}
    for index = from, math.min(from + 499, #ids) do
      table.insert(some, ids[index])
      table.insert(keys, group_list(own, ids[index]))
      table.insert(keys, group_meta(own, ids[index]))
    end
    redis.call("UNLINK", unpack(keys))
    redis.call("ZREM", own .. "groups", unpack(some))
    redis.call("ZREM", groups_marked(own), unpack(some))
    redis.call("ZREM", groups_expiring(own), unpack(some))
  end
end
local function forget_group(own, id) forget_groups(own, { id }) end
local function end_claim(own, id)
  redis.call("HDEL", group_meta(own, id), "token", "claimed", "claimedUntil")
end
local function set_marked(own, id, marked, now)
  if marked > 0 then
    redis.call("HSET", group_meta(own, id), "marked", marked)
    redis.call("ZADD", groups_marked(own), "NX", now, id)
  else
    redis.call("HDEL", group_meta(own, id), "marked")
    redis.call("ZREM", groups_marked(own), id)
  end
end
local function is_group(own, id)
  return is_kind(group_list(own, id), "list") and is_kind(group_meta(own, id), "hash")
end
-- Before anything is written. Answers with how many groups expire.
local function expect_lists_of_groups(own)
  expect(own .. "groups", "zset")
  expect(groups_marked(own), "zset")
  return expect(groups_expiring(own), "zset")
end
-- Answers with how many events it has.
local function expect_group(own, id)
  expect(group_meta(own, id), "hash")
  return expect(group_list(own, id), "list")
end
local function expect_groups(own, id)
  expect_lists_of_groups(own)
  if id then expect_group(own, id) end
end
-- How many events the claim of this token has. Nil: there is no such claim.
local function claimed_events(own, id, token)
  local meta = redis.call("HMGET", group_meta(own, id), "token", "claimed")
  local claimed = meta[1] == token and meta[2] and string.match(meta[2], "^%d+$")
  return claimed and tonumber(claimed) or nil
end
local function set_stager(own, id, stager, isFirst)
  if isFirst then
    redis.call("HSET", group_meta(own, id), "stager", stager)
  elseif redis.call("HGET", group_meta(own, id), "stager") ~= stager then
    redis.call("HDEL", group_meta(own, id), "stager")
  end
end
-- What is remembered of a call that staged events, or of a release that has published them instead.
local function staging_key(own, token) return own .. "staged:" .. token end
local function remember_staging(own, token)
  return redis.call("SET", staging_key(own, token), "1", "NX", "PX", ${REMEMBER_STAGING_MS})
end
-- How many events a release takes out of its group, which holds so many: those of its claim, or all. Nil: it may
-- publish none.
local function released_events(own, release, held, mayExpire, now)
  local id = release.id
  if release.token then return claimed_events(own, id, release.token) end
  if release.unstaged and redis.call("EXISTS", staging_key(own, release.unstaged)) == 1 then return nil end
  if held ~= release.events then return nil end
  if release.events == 0 then return 0 end
  local meta = redis.call("HMGET", group_meta(own, id), "stager", "claimedUntil")
  local expiresAt = mayExpire and redis.call("ZSCORE", groups_expiring(own), id)
  local isWhole = meta[1] == release.stager and (tonumber(meta[2]) or 0) <= now
    and (not expiresAt or tonumber(expiresAt) > now)
  return isWhole and release.events or nil
end
-- What a claim has leaves the group.
local function complete_group(own, id, claimed, now)
  local marked = tonumber(redis.call("HGET", group_meta(own, id), "marked")) or 0
  redis.call("LTRIM", group_list(own, id), claimed, -1)
  if redis.call("EXISTS", group_list(own, id)) == 0 then
    forget_group(own, id)
  else
    end_claim(own, id)
    redis.call("HDEL", group_meta(own, id), "stager")
    set_marked(own, id, marked - claimed, now)
  end
end
-- What releases have published leaves its groups.
local function complete_groups(own, releases, now)
  local whole = {}
  for _, release in ipairs(releases) do
    if release.unstaged then remember_staging(own, release.unstaged) end
    if release.token then
      complete_group(own, release.id, release.released, now)
    elseif release.released > 0 then
      table.insert(whole, release.id)
    end
  end
  forget_groups(own, whole)
end
-- What is marked does not expire.
local function expire_groups(own, now)
  local due = redis.call("ZRANGEBYSCORE", groups_expiring(own), "-inf", now, "LIMIT", 0, 100)
  for _, id in ipairs(due) do
    if is_group(own, id) then
      local marked = tonumber(redis.call("HGET", group_meta(own, id), "marked")) or 0
      if marked == 0 then
        forget_group(own, id)
      else
        redis.call("LTRIM", group_list(own, id), 0, marked - 1)
        redis.call("HDEL", group_meta(own, id), "stager")
        redis.call("ZREM", groups_expiring(own), id)
      end
    end
  end
end
`;
