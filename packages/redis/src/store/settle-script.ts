import { withLibrary } from "./lua-library.ts";
import type { JobSpec } from "./publish-script.ts";

/** A dead letter to add. */
export interface DeadSpec {
  readonly subscription: string;
  readonly id: string;
}

/** How a job is completed, and what is taken in the same step. */
export interface FinishSpec {
  readonly token: string;
  readonly worker: string;
  readonly keep: { readonly count?: number; readonly age?: number };
  readonly lockDuration: number;
  /** How many events the jobs have that are taken: 0 takes none. */
  readonly wanted: number;
}

/** The bounds of dead letters. */
export interface DeadBounds {
  readonly max: number;
  /** Milliseconds after its death at which one goes. */
  readonly maxAge: number;
}

/**
 * ARGV[1] of the script, as JSON. The data of `again` follows, then for each of `dead` what is known of
 * it and the data that a replay adds.
 */
export interface SettleRequest {
  readonly own: string;
  /** Key prefix of the queue, with its last colon. */
  readonly queue: string;
  readonly id: string;
  readonly token: string;
  /** Its name, as in a {@link FinishSpec}. */
  readonly worker: string;
  /** Grows with each request under the same token: one that is sent again does nothing. */
  readonly step: number;
  /** Milliseconds for which the lock is kept, if the job is not completed. */
  readonly lockDuration: number;
  /** The pack's progress as JSON, read by whoever takes it after a crash. Absent: unchanged. */
  readonly progress?: string;
  /** Jobs that take up single events of this one: retries, releases, parts split off. */
  readonly again: readonly JobSpec[];
  readonly dead: readonly DeadSpec[];
  readonly bounds: DeadBounds;
  readonly finish?: FinishSpec;
  /** The body that the job refers to. */
  readonly body?: string;
}

/**
 * What the script answers. `lost`: the lock is not ours any more, and nothing was done. `done`: how many
 * dead letters of each in `dead` were dropped at their bound, and, of `finish`, what BullMQ answers of
 * each job that is taken.
 */
export type SettleAnswer =
  | readonly ["lost"]
  | readonly ["done", dropped: readonly number[], taken?: readonly unknown[]];

/**
 * Completes a pack of which nothing comes again and nothing is dead, which is what nearly all packs come
 * to: without a request to write and to read. KEYS[1]: the job. ARGV: key prefix of the queue, id, token,
 * name of the worker, what is kept of completed jobs as JSON, duration of the lock in milliseconds, how
 * many events are wanted, prefix of our own keys, the body that the job refers to or "". Answers as
 * {@link SETTLE_SCRIPT}.
 */
export const COMPLETE_SCRIPT: string = withLibrary(
  ["TAKE_JOBS", "FINISH_JOB", "BODIES", "HOLDING"],
  `
if not holds(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]) then return { "lost" } end
local taken = finish_job(ARGV[1], ARGV[2], { token = ARGV[3], worker = ARGV[4],
  keep = cjson.decode(ARGV[5]), lockDuration = tonumber(ARGV[6]), wanted = tonumber(ARGV[7]) }, server_now())
if ARGV[9] ~= "" then leave_body(ARGV[8], ARGV[9], KEYS[1]) end
return { "done", {}, taken }
`,
);

/** KEYS[1]: the job. */
export const SETTLE_SCRIPT: string = withLibrary(
  [
    "READING",
    "ADD_JOB",
    "TAKE_JOBS",
    "FINISH_JOB",
    "LANES",
    "DEAD_LETTERS",
    "STEPS",
    "BODIES",
    "BODY_HOLDERS",
    "HOLDING",
  ],
  `
local request = cjson.decode(ARGV[1])
local own, queue, now = request.own, request.queue, server_now()
if not holds(queue, request.id, request.token, request.worker, request.lockDuration) then
  return { "lost" }
end
if is_repeated(KEYS[1], request.token, request.step) then return { "done", {} } end
if #request.again + #request.dead > 0 then expect_queue(queue) end
for _, dead in ipairs(request.dead) do
  dead.subscription = present_id(own, dead.subscription)
  expect_dead(own, dead.subscription)
end
for _, job in ipairs(request.again) do
  if job.body then expect_body(own, job.body) end
end
mark_step(KEYS[1], request.token, request.step, request.lockDuration)

local argument = 2
for _, job in ipairs(request.again) do
  add_job(queue, job, ARGV[argument], now)
  if job.body then hold_body(own, job.body, queue .. job.id) end
  argument = argument + 1
end
local dropped = {}
for index, dead in ipairs(request.dead) do
  add_dead(own, dead.subscription, dead.id, ARGV[argument], ARGV[argument + 1], now)
  argument = argument + 2
  dropped[index] = trim_dead(own, dead.subscription, request.bounds, now)
end
if request.progress then redis.call("HSET", KEYS[1], "progress", request.progress) end
if request.finish then
  local taken = finish_job(queue, request.id, request.finish, now)
  if request.body then leave_body(own, request.body, KEYS[1]) end
  return { "done", dropped, taken }
end
return { "done", dropped }
`,
);
