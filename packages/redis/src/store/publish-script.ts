import { GROUPS } from "./group-library.ts";
import { withLibrary } from "./lua-library.ts";
import { SCHEDULES } from "./schedule-scripts.ts";

/** A job to add: see `add_job`. Ids may neither look like integers nor hold a colon. */
export interface JobSpec {
  readonly id: string;
  /** Shown by dashboards: the name of the event. */
  readonly name: string;
  /** From 1, the most urgent. Never absent: jobs without a priority go before all that have one. */
  readonly priority: number;
  /** Milliseconds; 0 is none. */
  readonly delay: number;
  readonly front?: boolean;
  /** Under which its deduplication is remembered, whichever queue it is in, and for how long. */
  readonly dedup?: string;
  readonly dedupTtl?: number;
  /** The body that its data refers to, if that is one that is there. */
  readonly body?: string;
}

/** Where new deliveries of a subscription go, and those of a key that has some already. */
export interface Place {
  /** Key prefix of its queue, with its last colon. */
  readonly queue: string;
  /** Those of queues that it had before, in which something may be left. */
  readonly formers?: readonly string[];
  /** Milliseconds after which a turn that was removed by hand comes back. */
  readonly reviveAfterMs: number;
}

/** The job that stands for a lane's turn, with its data. */
export interface TurnSpec extends JobSpec {
  readonly data: string;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A job to publish. It is put together step by step. */
export interface PackSpec {
  readonly target: number;
  /** Positions of texts, from 1. */
  events: number[];
  /** How many events these are. */
  count: number;
  readonly job: Mutable<JobSpec>;
  /** What ends the data: `]}`. Absent: the one text is the data as a whole. */
  tail?: string;
  /** Position of the body that its data refers to, from 1. */
  body?: number;
}

/**
 * Packs that are stored once for all jobs of a publish that refer to them. They are sent right before the
 * script, as a draft that expires if the script does not come.
 */
export interface BodySpec {
  readonly id: string;
  /** How many packs it has: fields of a hash, numbered from 1. */
  readonly packs: number;
}

/**
 * ARGV[1] of the script, as JSON. The texts follow: each the JSON of one envelope, or of several with
 * commas between them, or the data of a job.
 */
export interface PublishRequest {
  /** Prefix of our own keys, with its last colon. */
  readonly own: string;
  /** The version of the list of subscriptions that was routed by. */
  readonly version: string;
  readonly orphanedAfterMs: number;
  /**
   * Which publish of which process this is. The same one sent again, because its answer was lost with
   * the connection, does nothing but answer; one that a later one has overtaken does nothing.
   */
  readonly emitter: { readonly id: string; readonly seq: number; readonly ttlMs: number };
  readonly targets: readonly (Place & {
    readonly subscription: string;
    /** What stands before the events in the data of a job: `{"subscription":"…","events":[`. */
    readonly head: string;
    /** Given if it is another time than that of the request. */
    readonly orphanedAfterMs?: number;
  })[];
  /** Positions from 1 of targets that an emitter has named. If one is orphaned, nothing is done. */
  readonly named: readonly number[];
  readonly packs: readonly PackSpec[];
  readonly bodies: readonly BodySpec[];
  /** What the keys of the bodies' drafts begin with. Their positions follow, from 1. */
  readonly drafts: string;
  /** Deliveries that enter lanes at once. */
  readonly lanes: readonly {
    readonly target: number;
    readonly event: number;
    readonly key: string;
    readonly turn: TurnSpec;
    readonly dedup?: string;
    readonly dedupTtl?: number;
  }[];
  /** The groups whose events these are, which leave them in the same step. */
  readonly groups?: readonly GroupRelease[];
  /** The schedule whose events these are, which is written in the same step. */
  readonly schedule?: ScheduleFiring;
}

/** A schedule that emits events, if its version is still that one. */
export interface ScheduleFiring {
  readonly id: string;
  readonly version: string;
  /** What is left of it: as `writeSchedule` makes it, without its version. */
  readonly text: string;
  /** When it is due next: milliseconds since the epoch. Absent: never. */
  readonly dueAt?: number;
}

/** Why the events of a group may be published: by a claim, or because they are all that it holds. */
export type GroupRelease = { readonly id: string } & (
  | { readonly token: string }
  | {
      /** The process that has staged all of them. */
      readonly stager: string;
      readonly events: number;
      /**
       * Token of the call that would stage the further events that the release publishes, if there are any:
       * after the release that call does nothing, and after that call this release.
       */
      readonly unstaged?: string;
    }
);

/**
 * What the script answers. `stale`: the list of subscriptions has changed. `undrafted`: a draft is not
 * there. `unclaimed`: positions from 1 of groups that may not be released so, and nothing was done. `unknown`: positions
 * from 1 of named targets that are orphaned, and nothing was done. `unfired`: somebody else has written the schedule, and
 * nothing was done. `done`: positions from 1 of the targets that are
 * orphaned, and got nothing, and of the packs and of the lane entries that were dropped as duplicates.
 */
export type PublishAnswer =
  | readonly ["stale"]
  | readonly ["undrafted"]
  | readonly ["unclaimed", groups: readonly number[]]
  | readonly ["unknown", targets: readonly number[]]
  | readonly ["unfired"]
  | readonly [
      "done",
      orphanedTargets: readonly number[],
      duplicatePacks: readonly number[],
      duplicateLanes: readonly number[],
    ];

/**
 * Makes drafts that have an end and no packs yet, in one step: whatever becomes of the connection before
 * the packs have come, nothing stays. KEYS[1]: what their keys begin with. ARGV: how many there are, and for
 * how many milliseconds.
 */
export const DRAFT_SCRIPT = `
for index = 1, tonumber(ARGV[1]) do
  redis.call("HSET", KEYS[1] .. index, "draft", "")
  redis.call("PEXPIRE", KEYS[1] .. index, ARGV[2])
end
`;

/** KEYS[1]: the version of the list of subscriptions. All keys of a bus are in one hash slot. */
export const PUBLISH_SCRIPT: string = withLibrary(
  ["READING", "ADD_JOB", "LANES", "BODIES", "BODY_HOLDERS"],
  `${GROUPS}${SCHEDULES}
local request = cjson.decode(ARGV[1])
local own, now, emitter = request.own, server_now(), request.emitter

local emitterKey = own .. "emitter:" .. emitter.id
local last = redis.call("GET", emitterKey)
if last then
  -- The number of the publish, and what it answered if there was anything to tell.
  local seq, answer = string.match(last, "^(%d+) ?(.*)$")
  seq = tonumber(seq) or 0
  if seq == emitter.seq and answer ~= "" then return cmsgpack.unpack(answer) end
  -- A later one: sent before a connection was lost, given up meanwhile, and read only now. Nobody reads
  -- the answer.
  if seq >= emitter.seq then return { "done", {}, {}, {} } end
end
if (redis.call("GET", KEYS[1]) or "0") ~= request.version then return { "stale" } end

local schedule = request.schedule
if schedule then
  local text = expect_schedules(own) and redis.call("HGET", own .. "schedules", schedule.id)
  if not text or string.match(text, "^%d+") ~= schedule.version then return { "unfired" } end
end

-- Lua hashes each string that it is given or makes, byte by byte. Bodies do not enter it.
local bodies = request.bodies
if #bodies > 0 then expect(own .. "bodies", "zset") end
for index, body in ipairs(bodies) do
  if redis.call("HEXISTS", request.drafts .. index, body.packs) == 0 then return { "undrafted" } end
end

local groups, unclaimed, areAllStaged = request.groups or {}, {}, true
local mayExpire = #groups > 0 and expect_lists_of_groups(own) > 0
for position, group in ipairs(groups) do
  group.released = released_events(own, group, expect_group(own, group.id), mayExpire, now)
  if not group.released then table.insert(unclaimed, position) end
  if group.unstaged then areAllStaged = false end
end
if #unclaimed > 0 then return { "unclaimed", unclaimed } end

local orphaned, withheld = {}, {}
for index, target in ipairs(request.targets) do
  local seenAt = redis.call("ZSCORE", own .. "seen", target.subscription)
  if not seenAt or now - tonumber(seenAt) >= (target.orphanedAfterMs or request.orphanedAfterMs) then
    withheld[index] = 0
    table.insert(orphaned, index)
  end
end
local unknown = {}
for _, index in ipairs(request.named) do
  if withheld[index] then table.insert(unknown, index) end
end
if #unknown > 0 then return { "unknown", unknown } end

-- Tells a Redis that is full that a release must not be refused: what it adds was staged.
if groups[1] and areAllStaged then redis.call("HDEL", group_meta(own, groups[1].id), "") end
-- To look at every key of every queue before the first write would take a fifth of the time. So what was
-- added is taken back if something cannot be: an event reaches the queues of all, or none.
local added, entered = {}, {}
local function take_back()
  for _, it in ipairs(added) do
    redis.pcall("ZREM", it.queue .. "prioritized", it.job.id)
    redis.pcall("ZREM", it.queue .. "delayed", it.job.id)
    redis.pcall("DEL", it.queue .. it.job.id)
    if it.job.dedupKey and redis.pcall("GET", it.job.dedupKey) == it.job.id then
      redis.pcall("DEL", it.job.dedupKey)
    end
  end
  for _, it in ipairs(entered) do
    local lane = lane_key(own, it.queue, it.key)
    redis.pcall("LREM", lane, -1, it.data)
    if redis.pcall("HGET", lanes_key(own, it.queue), it.key) == it.turn.id
      and redis.pcall("LLEN", lane) == 0 then
      redis.pcall("HDEL", lanes_key(own, it.queue), it.key)
      redis.pcall("ZREM", it.queue .. "prioritized", it.turn.id)
      redis.pcall("ZREM", it.queue .. "delayed", it.turn.id)
      redis.pcall("DEL", it.queue .. it.turn.id)
    end
    if it.dedupKey then redis.pcall("DEL", it.dedupKey) end
  end
  for index, body in ipairs(bodies) do
    redis.pcall("UNLINK", request.drafts .. index, body_jobs_key(own, body.id))
  end
end

local duplicates, duplicateLanes = {}, {}
local function add_all()
  for index, pack in ipairs(request.packs) do
    local target, positions = request.targets[pack.target], pack.events
    if withheld[pack.target] then
      withheld[pack.target] = withheld[pack.target] + pack.count
    else
      table.insert(added, { queue = target.queue, job = pack.job })
      -- Made once, if at all.
      local data = ARGV[positions[1] + 1]
      if #positions > 1 then
        local parts = { target.head .. data }
        for place = 2, #positions do parts[place] = ARGV[positions[place] + 1] end
        parts[#positions] = parts[#positions] .. pack.tail
        data = table.concat(parts, ",")
      elseif pack.tail then
        data = target.head .. data .. pack.tail
      end
      if pack.job.dedup then pack.job.dedupKey = own .. "de:" .. pack.job.dedup end
      if add_job(target.queue, pack.job, data, now) then table.insert(duplicates, index) end
      if pack.body then hold_body(own, bodies[pack.body].id, target.queue .. pack.job.id) end
    end
  end
  for index, lane in ipairs(request.lanes) do
    local target = request.targets[lane.target]
    local dedupKey = lane.dedup and own .. "de:" .. lane.dedup
    if withheld[lane.target] then
      withheld[lane.target] = withheld[lane.target] + 1
    elseif dedupKey and not redis.call("SET", dedupKey, lane.turn.id, "PX", lane.dedupTtl, "NX") then
      table.insert(duplicateLanes, index)
    else
      local data = target.head .. ARGV[lane.event + 1] .. "]}"
      table.insert(entered, { queue = lane_queue(own, target, lane.key), key = lane.key, data = data,
        turn = lane.turn, dedupKey = dedupKey })
      enter_lane(own, target, lane.key, data, lane.turn, now)
    end
  end
end
local isAdded, problem = pcall(add_all)
if not isAdded then
  take_back()
  -- As Redis would have said it. Before Redis 7 it is a text, with a place in the script before it.
  return { err = type(problem) == "table" and problem.err
    or string.gsub(problem, "^.*user_script: ?%d+: ", "") .. "" }
end
for index, count in pairs(withheld) do
  redis.pcall("HINCRBY", own .. "withheld", request.targets[index].subscription, count)
end

complete_groups(own, groups, now)
if schedule then write_schedule(own, schedule.id, schedule.text, schedule.dueAt, now) end
for index, body in ipairs(bodies) do keep_body(own, body.id, request.drafts .. index, now) end

local answer = { "done", orphaned, duplicates, duplicateLanes }
local tells = #orphaned + #duplicates + #duplicateLanes > 0
redis.call("SET", emitterKey, emitter.seq .. (tells and " " .. cmsgpack.pack(answer) or ""),
  "PX", emitter.ttlMs)
return answer
`,
);
