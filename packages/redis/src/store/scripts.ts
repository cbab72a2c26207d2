import type { RedisClient } from "../connection/client.ts";
import {
  DEAD_AFTER_SCRIPT,
  DISCARD_SCRIPT,
  REPLAY_SCRIPT,
  TRIM_SCRIPT,
} from "./dead-letter-scripts.ts";
import {
  ABANDON_SCRIPT,
  CLAIM_SCRIPT,
  CLEAR_SCRIPT,
  LIST_SCRIPT,
  MARK_SCRIPT,
  STAGE_SCRIPT,
} from "./group-scripts.ts";
import {
  BOARD_LIST_SCRIPT,
  BOARD_POST_SCRIPT,
  BOARD_READ_SCRIPT,
  BOARD_REMOVE_SCRIPT,
  BOARD_SHOW_SCRIPT,
  BOARD_WATCH_SCRIPT,
} from "./board-scripts.ts";
import { CANCEL_IN_LANE_SCRIPT } from "./cancel-script.ts";
import {
  FIND_IN_BODY_SCRIPT,
  FIND_IN_LANE_SCRIPT,
  FIND_IN_LANES_SCRIPT,
  FIND_JOBS_SCRIPT,
} from "./find-scripts.ts";
import { FIND_STALLED_SCRIPT } from "./find-stalled-script.ts";
import {
  GIVE_BACK_SCRIPT,
  LATE_SCRIPT,
  type LateRequest,
  RECLAIM_SCRIPT,
  RENEW_SCRIPT,
  TAKE_SCRIPT,
} from "./held-job-scripts.ts";
import { LET_GO_SCRIPT, type LetGoRequest } from "./let-go-script.ts";
import {
  DRAFT_SCRIPT,
  PUBLISH_SCRIPT,
  type PublishAnswer,
  type PublishRequest,
} from "./publish-script.ts";
import {
  FORGET_SCRIPT,
  READ_SCRIPT,
  SAVE_SCRIPT,
  type SaveAnswer,
  type SaveRequest,
} from "./registry-script.ts";
import {
  RETIRE_JOB_SCRIPT,
  RETIRE_LANE_SCRIPT,
  type RetireJobRequest,
  type RetireLaneRequest,
} from "./retire-scripts.ts";
import { POLICIES_SCRIPT } from "./policies-script.ts";
import { PUBLISH_ONE_SCRIPT } from "./publish-one-script.ts";
import { RESERVE_SCRIPT } from "./rate-script.ts";
import { REVIVE_SCRIPT } from "./revive-script.ts";
import {
  COMPLETE_SCRIPT,
  SETTLE_SCRIPT,
  type SettleAnswer,
  type SettleRequest,
} from "./settle-script.ts";
import { LANE_LOOK_SCRIPT, type LaneLook } from "./lane-look-script.ts";
import { TIME_SCRIPT } from "./server-time.ts";
import { STATS_SCRIPT, type QueueNumbers } from "./stats-script.ts";
import {
  DUE_SCHEDULES_SCRIPT,
  REMOVE_SCHEDULE_SCRIPT,
  WRITE_SCHEDULE_SCRIPT,
} from "./schedule-scripts.ts";
import { SWEEP_BODIES_SCRIPT } from "./sweep-bodies-script.ts";
import { TURN_SCRIPT, type TurnAnswer, type TurnRequest } from "./turn-script.ts";

type Argument = string | number;

/** Our Lua scripts as typed calls. Each is one atomic step in Redis. */
export interface Scripts {
  /** The time of Redis in milliseconds since the epoch. A script: in a cluster it asks the node of the bus. */
  time(key: string): Promise<number>;
  draft(keyPrefix: string, args: readonly Argument[]): Promise<unknown>;
  publish(
    versionKey: string,
    request: PublishRequest,
    events: readonly string[],
  ): Promise<PublishAnswer>;
  /** Answers with one of `ONE_ANSWER`. */
  publishOne(versionKey: string, args: readonly Argument[]): Promise<number>;
  complete(jobKey: string, args: readonly Argument[]): Promise<SettleAnswer>;
  settle(jobKey: string, request: SettleRequest, data: readonly string[]): Promise<SettleAnswer>;
  turn(jobKey: string, request: TurnRequest, data: readonly string[]): Promise<TurnAnswer>;
  take(
    metaKey: string,
    args: readonly Argument[],
  ): Promise<readonly ["taken", taken: readonly unknown[]]>;
  late(
    jobKey: string,
    request: LateRequest,
    data: string,
  ): Promise<readonly ["lost"] | readonly ["stale"] | readonly ["done", taken: readonly unknown[]]>;
  giveBack(jobKey: string, args: readonly Argument[]): Promise<number>;
  reclaim(activeKey: string, args: readonly Argument[]): Promise<readonly unknown[]>;
  /** Answers with the ids of jobs whose locks have ended. */
  renew(stalledKey: string, args: readonly Argument[]): Promise<readonly string[]>;
  findStalled(stalledKey: string, args: readonly Argument[]): Promise<unknown>;
  /** Answers with ids and times of death in turn. */
  deadAfter(deadKey: string, args: readonly Argument[]): Promise<readonly string[]>;
  /** Answers with how many there were, or -1 if the list of subscriptions has changed. */
  replay(deadKey: string, args: readonly Argument[]): Promise<number>;
  discard(deadKey: string, args: readonly Argument[]): Promise<number>;
  trim(deadKey: string, args: readonly Argument[]): Promise<number>;
  /** The list of subscriptions: its version, and ids and records in turn. */
  read(
    versionKey: string,
    args: readonly Argument[],
  ): Promise<readonly [version: string, records: readonly string[]]>;
  policies(policiesKey: string, args: readonly Argument[]): Promise<readonly string[]>;
  save(versionKey: string, request: SaveRequest): Promise<SaveAnswer>;
  forget(versionKey: string, args: readonly Argument[]): Promise<number>;
  /** Answers with the new version of the list, or "" if nothing was done. */
  letGo(versionKey: string, request: LetGoRequest): Promise<string>;
  revive(
    lanesKey: string,
    args: readonly Argument[],
  ): Promise<readonly [cursor: string, revived: number]>;
  sweepBodies(
    bodiesKey: string,
    args: readonly Argument[],
  ): Promise<readonly [deleted: number, hasMore: number]>;
  /** Answers with 1, or 0 if the job is not there any more. */
  retireJob(jobKey: string, request: RetireJobRequest, data: readonly string[]): Promise<number>;
  /** Answers with how many deliveries left the lane. */
  retireLane(
    lanesKey: string,
    request: RetireLaneRequest,
    data: readonly string[],
  ): Promise<number>;
  stats(queue: string, args: readonly Argument[]): Promise<QueueNumbers>;
  findJobs(
    placeKey: string,
    args: readonly Argument[],
  ): Promise<readonly [cursor: string, ids: readonly string[], idsAndBodies: readonly string[]]>;
  findInBody(bodyKey: string, args: readonly Argument[]): Promise<number>;
  findInLanes(
    lanesKey: string,
    args: readonly Argument[],
  ): Promise<
    readonly [cursor: string, keysAndItems: readonly string[], longLanes: readonly string[]]
  >;
  findInLane(laneKey: string, args: readonly Argument[]): Promise<readonly string[]>;
  /** Answers with 1, or 0 if the delivery is not there, or in hand. */
  cancelInLane(lanesKey: string, args: readonly Argument[]): Promise<number>;
  laneLook(lanesKey: string, args: readonly Argument[]): Promise<LaneLook>;
  /** Answers with 1 if anybody watches the feed. */
  boardPost(boardKey: string, args: readonly Argument[]): Promise<number>;
  /** Answers with ids of instances and what they have posted, in turn. */
  boardList(boardKey: string, args: readonly Argument[]): Promise<readonly string[]>;
  boardRemove(boardKey: string, args: readonly Argument[]): Promise<number>;
  boardWatch(watchedKey: string, args: readonly Argument[]): Promise<number>;
  boardShow(feedKey: string, args: readonly Argument[]): Promise<number>;
  boardRead(
    feedKey: string,
    args: readonly Argument[],
  ): Promise<readonly [cursor: string, entries: readonly string[]]>;
  reserve(
    rateKey: string,
    args: readonly Argument[],
  ): Promise<readonly [now: number, waitsMs: readonly number[], laterMs: number]>;
  /** Answers with 1, or 0 if the schedule has another version. */
  writeSchedule(schedulesKey: string, args: readonly Argument[]): Promise<number>;
  removeSchedule(schedulesKey: string, args: readonly Argument[]): Promise<number>;
  dueSchedules(
    schedulesKey: string,
    args: readonly Argument[],
  ): Promise<readonly [now: number, idsAndTexts: readonly string[], nextDueAt: string]>;
  stage(groupsKey: string, args: readonly Argument[]): Promise<number>;
  mark(groupsKey: string, args: readonly Argument[]): Promise<number>;
  claim(
    groupsKey: string,
    args: readonly Argument[],
  ): Promise<readonly [id: string, items: readonly string[]] | null>;
  abandon(groupsKey: string, args: readonly Argument[]): Promise<number>;
  clear(groupsKey: string, args: readonly Argument[]): Promise<number>;
  listGroups(
    groupsKey: string,
    args: readonly Argument[],
  ): Promise<readonly (readonly [id: string, events: number, stagedAt: string, marked: number])[]>;
}

/** The scripts that take their arguments as they are. */
type PlainName = {
  [Name in keyof Scripts]: Parameters<Scripts[Name]> extends [string, (readonly Argument[])?]
    ? Name
    : never;
}[keyof Scripts];

const PLAIN: Readonly<Record<PlainName, string>> = {
  time: TIME_SCRIPT,
  draft: DRAFT_SCRIPT,
  publishOne: PUBLISH_ONE_SCRIPT,
  complete: COMPLETE_SCRIPT,
  take: TAKE_SCRIPT,
  giveBack: GIVE_BACK_SCRIPT,
  reclaim: RECLAIM_SCRIPT,
  renew: RENEW_SCRIPT,
  findStalled: FIND_STALLED_SCRIPT,
  deadAfter: DEAD_AFTER_SCRIPT,
  replay: REPLAY_SCRIPT,
  discard: DISCARD_SCRIPT,
  trim: TRIM_SCRIPT,
  read: READ_SCRIPT,
  policies: POLICIES_SCRIPT,
  forget: FORGET_SCRIPT,
  revive: REVIVE_SCRIPT,
  sweepBodies: SWEEP_BODIES_SCRIPT,
  stats: STATS_SCRIPT,
  findJobs: FIND_JOBS_SCRIPT,
  findInBody: FIND_IN_BODY_SCRIPT,
  findInLanes: FIND_IN_LANES_SCRIPT,
  findInLane: FIND_IN_LANE_SCRIPT,
  cancelInLane: CANCEL_IN_LANE_SCRIPT,
  laneLook: LANE_LOOK_SCRIPT,
  boardPost: BOARD_POST_SCRIPT,
  boardList: BOARD_LIST_SCRIPT,
  boardRemove: BOARD_REMOVE_SCRIPT,
  boardWatch: BOARD_WATCH_SCRIPT,
  boardShow: BOARD_SHOW_SCRIPT,
  boardRead: BOARD_READ_SCRIPT,
  reserve: RESERVE_SCRIPT,
  writeSchedule: WRITE_SCHEDULE_SCRIPT,
  removeSchedule: REMOVE_SCHEDULE_SCRIPT,
  dueSchedules: DUE_SCHEDULES_SCRIPT,
  stage: STAGE_SCRIPT,
  mark: MARK_SCRIPT,
  claim: CLAIM_SCRIPT,
  abandon: ABANDON_SCRIPT,
  clear: CLEAR_SCRIPT,
  listGroups: LIST_SCRIPT,
};

/** The scripts that take a request in JSON, and then texts. */
const ASKING: Readonly<Record<Exclude<keyof Scripts, PlainName>, string>> = {
  publish: PUBLISH_SCRIPT,
  settle: SETTLE_SCRIPT,
  turn: TURN_SCRIPT,
  late: LATE_SCRIPT,
  save: SAVE_SCRIPT,
  letGo: LET_GO_SCRIPT,
  retireJob: RETIRE_JOB_SCRIPT,
  retireLane: RETIRE_LANE_SCRIPT,
};

/** A list is one argument here, and as many for Redis: a call has no room for a hundred thousand. */
type Command = (
  key: string,
  ...args: readonly (Argument | readonly Argument[])[]
) => Promise<unknown>;

/** Loads the scripts into a client, which sends their text again to a Redis that has forgotten it. */
export function createScripts(client: RedisClient): Scripts {
  function load([name, lua]: readonly [string, string]): readonly [string, Command] {
    const command = `busbar:${name}`;
    client.defineCommand(command, { numberOfKeys: 1, lua });
    return [name, (client as unknown as Record<string, Command>)[command]?.bind(client) as Command];
  }
  const plain = Object.entries(PLAIN).map(load);
  const asking = Object.entries(ASKING)
    .map(load)
    .map(([name, send]) => {
      const ask = (key: string, request: object, ...texts: Parameters<Command>[1][]) =>
        send(key, JSON.stringify(request), ...texts);
      return [name, ask] as const;
    });
  return Object.fromEntries<unknown>([...plain, ...asking]) as unknown as Scripts;
}
