import type { RedisClient } from "../connection/client.ts";
import { DISCARD_SCRIPT, REPLAY_SCRIPT, TRIM_SCRIPT } from "./dead-letter-scripts.ts";
import {
  ABANDON_SCRIPT,
  CLAIM_SCRIPT,
  CLEAR_SCRIPT,
  LIST_SCRIPT,
  MARK_SCRIPT,
  STAGE_SCRIPT,
} from "./group-scripts.ts";
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
import { REVIVE_SCRIPT } from "./revive-script.ts";
import {
  COMPLETE_SCRIPT,
  SETTLE_SCRIPT,
  type SettleAnswer,
  type SettleRequest,
} from "./settle-script.ts";
import { TIME_SCRIPT } from "./server-time.ts";
import { STATS_SCRIPT, type QueueNumbers } from "./stats-script.ts";
import { SWEEP_BODIES_SCRIPT } from "./sweep-bodies-script.ts";
import { TURN_SCRIPT, type TurnAnswer, type TurnRequest } from "./turn-script.ts";

const LUA = {
  busbarTime: TIME_SCRIPT,
  busbarDraft: DRAFT_SCRIPT,
  busbarPublish: PUBLISH_SCRIPT,
  busbarPublishOne: PUBLISH_ONE_SCRIPT,
  busbarComplete: COMPLETE_SCRIPT,
  busbarSettle: SETTLE_SCRIPT,
  busbarTurn: TURN_SCRIPT,
  busbarTake: TAKE_SCRIPT,
  busbarLate: LATE_SCRIPT,
  busbarGiveBack: GIVE_BACK_SCRIPT,
  busbarReclaim: RECLAIM_SCRIPT,
  busbarRenew: RENEW_SCRIPT,
  busbarFindStalled: FIND_STALLED_SCRIPT,
  busbarReplay: REPLAY_SCRIPT,
  busbarDiscard: DISCARD_SCRIPT,
  busbarTrim: TRIM_SCRIPT,
  busbarRead: READ_SCRIPT,
  busbarSave: SAVE_SCRIPT,
  busbarPolicies: POLICIES_SCRIPT,
  busbarForget: FORGET_SCRIPT,
  busbarLetGo: LET_GO_SCRIPT,
  busbarRevive: REVIVE_SCRIPT,
  busbarSweepBodies: SWEEP_BODIES_SCRIPT,
  busbarRetireJob: RETIRE_JOB_SCRIPT,
  busbarRetireLane: RETIRE_LANE_SCRIPT,
  busbarStats: STATS_SCRIPT,
  busbarStage: STAGE_SCRIPT,
  busbarMark: MARK_SCRIPT,
  busbarClaim: CLAIM_SCRIPT,
  busbarAbandon: ABANDON_SCRIPT,
  busbarClear: CLEAR_SCRIPT,
  busbarListGroups: LIST_SCRIPT,
} as const;

type Argument = string | number;
type Commands = Record<
  keyof typeof LUA,
  // A list is one argument here, and as many for Redis: a call has no room for a hundred thousand.
  (key: string, ...args: readonly (Argument | readonly Argument[])[]) => Promise<unknown>
>;

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

/** Loads the scripts into a client, which sends their text again to a Redis that has forgotten it. */
export function createScripts(client: RedisClient): Scripts {
  for (const [name, lua] of Object.entries(LUA)) {
    client.defineCommand(name, { numberOfKeys: 1, lua });
  }
  const commands = client as unknown as Commands;
  return {
    time: (key) => commands.busbarTime(key) as Promise<number>,
    draft: (key, args) => commands.busbarDraft(key, args),
    publish: (key, request, events) =>
      commands.busbarPublish(key, JSON.stringify(request), events) as Promise<PublishAnswer>,
    publishOne: (key, args) => commands.busbarPublishOne(key, args) as Promise<number>,
    complete: (key, args) => commands.busbarComplete(key, args) as Promise<SettleAnswer>,
    settle: (key, request, data) =>
      commands.busbarSettle(key, JSON.stringify(request), data) as Promise<SettleAnswer>,
    turn: (key, request, data) =>
      commands.busbarTurn(key, JSON.stringify(request), data) as Promise<TurnAnswer>,
    take: (key, args) => commands.busbarTake(key, args) as ReturnType<Scripts["take"]>,
    late: (key, request, data) =>
      commands.busbarLate(key, JSON.stringify(request), data) as ReturnType<Scripts["late"]>,
    giveBack: (key, args) => commands.busbarGiveBack(key, args) as Promise<number>,
    reclaim: (key, args) => commands.busbarReclaim(key, args) as Promise<readonly unknown[]>,
    renew: (key, args) => commands.busbarRenew(key, args) as Promise<readonly string[]>,
    findStalled: (key, args) => commands.busbarFindStalled(key, args),
    read: (key, args) => commands.busbarRead(key, args) as ReturnType<Scripts["read"]>,
    replay: (key, args) => commands.busbarReplay(key, args) as Promise<number>,
    discard: (key, args) => commands.busbarDiscard(key, args) as Promise<number>,
    trim: (key, args) => commands.busbarTrim(key, args) as Promise<number>,
    policies: (key, args) => commands.busbarPolicies(key, args) as Promise<readonly string[]>,
    save: (key, request) =>
      commands.busbarSave(key, JSON.stringify(request)) as Promise<SaveAnswer>,
    forget: (key, args) => commands.busbarForget(key, args) as Promise<number>,
    letGo: (key, request) => commands.busbarLetGo(key, JSON.stringify(request)) as Promise<string>,
    revive: (key, args) => commands.busbarRevive(key, args) as ReturnType<Scripts["revive"]>,
    sweepBodies: (key, args) =>
      commands.busbarSweepBodies(key, args) as ReturnType<Scripts["sweepBodies"]>,
    retireJob: (key, request, data) =>
      commands.busbarRetireJob(key, JSON.stringify(request), data) as Promise<number>,
    retireLane: (key, request, data) =>
      commands.busbarRetireLane(key, JSON.stringify(request), data) as Promise<number>,
    stats: (key, args) => commands.busbarStats(key, args) as Promise<QueueNumbers>,
    stage: (key, args) => commands.busbarStage(key, args) as Promise<number>,
    mark: (key, args) => commands.busbarMark(key, args) as Promise<number>,
    claim: (key, args) => commands.busbarClaim(key, args) as ReturnType<Scripts["claim"]>,
    abandon: (key, args) => commands.busbarAbandon(key, args) as Promise<number>,
    clear: (key, args) => commands.busbarClear(key, args) as Promise<number>,
    listGroups: (key, args) =>
      commands.busbarListGroups(key, args) as ReturnType<Scripts["listGroups"]>,
  };
}
