import type { JsonObject, JsonValue } from "../contract/json.ts";
import type { Misfire, Schedule, ScheduleInfo } from "../contract/schedule.ts";
import type { ScheduleWrite, StoredSchedule } from "../contract/schedule-store.ts";
import type { EmitOptions } from "../contract/event.ts";
import { type DueTimes, latestUntil } from "./due-times.ts";

/** Due times for which one step emits, at most. */
const MOST_AT_ONCE = 100;
/** Milliseconds after which a due time is missed, for the policy `skip`. */
const MISSED_AFTER_MS = 60_000;

/** A {@link Schedule} as JSON. Times are milliseconds since the epoch. */
export interface Definition extends JsonObject {
  readonly cron?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly everyMs?: number | undefined;
  readonly event: string;
  readonly data: JsonValue;
  readonly options?: JsonObject | undefined;
  readonly misfire?: Misfire | undefined;
  readonly startAt?: number | undefined;
  readonly endAt?: number | undefined;
}

/** What the bus has the provider keep of a schedule. Times are milliseconds since the epoch. */
export interface ScheduleRecord extends JsonObject {
  readonly definition: Definition;
  /** A due time of an interval, from which the others are counted. */
  readonly anchor: number;
  readonly paused?: boolean | undefined;
  readonly nextDueAt?: number | undefined;
  readonly lastDueAt?: number | undefined;
  readonly lastFiredAt?: number | undefined;
  readonly emitted: number;
  readonly failure?: Failure | undefined;
}

/** The last failure of an emit. */
export interface Failure extends JsonObject {
  readonly message: string;
  readonly code?: string | undefined;
  readonly at: number;
  readonly attempts: number;
  readonly retryAt: number;
}

/** The due times of a schedule that have come, as its policy wants them. */
export interface Due {
  /** For which to emit, in order. */
  readonly times: readonly number[];
  /** The latest due time that is done with. */
  readonly last: number;
  /** The next due time. */
  readonly next: number | undefined;
}

/** The record of a stored schedule. */
export function recordOf({ record }: StoredSchedule): ScheduleRecord {
  return record as ScheduleRecord;
}

/** What to write of a schedule whose next due time is known. */
export function writeOf(id: string, record: ScheduleRecord): ScheduleWrite {
  const { nextDueAt: dueAt } = record;
  return { id, record, ...(dueAt !== undefined && { dueAt }) };
}

/** The due times until now, as the policy of the schedule wants them. */
export function dueUntil(
  now: number,
  from: number,
  times: DueTimes,
  misfire: Misfire = "once",
): Due {
  if (misfire === "once") {
    const last = latestUntil(times, from, now);
    return { times: [last], last, next: times.after(last) };
  }
  const emitted: number[] = [];
  // The first due time that counts, or the one after now.
  let next: number | undefined =
    misfire === "skip" ? times.after(Math.max(from, now - MISSED_AFTER_MS) - 1) : from;
  while (next !== undefined && next <= now && emitted.length < MOST_AT_ONCE) {
    emitted.push(next);
    next = times.after(next);
  }
  const last = emitted.at(-1) ?? latestUntil(times, from, now);
  return { times: emitted, last, next };
}

/** The record of a schedule that has emitted for what was due. */
export function fired(
  record: ScheduleRecord,
  { last, next }: Due,
  emitted: number,
  now: number,
): ScheduleRecord {
  return {
    ...withoutFailure(record),
    nextDueAt: next,
    lastDueAt: last,
    ...(emitted > 0 && { lastFiredAt: now }),
    emitted: record.emitted + emitted,
  };
}

/** The record without its failure, which is over. */
export function withoutFailure(record: ScheduleRecord): ScheduleRecord {
  return { ...record, failure: undefined };
}

/** A stored schedule as `list()` shows it. */
export function infoOf(stored: StoredSchedule): ScheduleInfo {
  const { definition, paused, nextDueAt, lastDueAt, lastFiredAt, emitted, failure } =
    recordOf(stored);
  return {
    id: stored.id,
    schedule: scheduleOf(definition),
    paused: paused === true,
    ...(nextDueAt !== undefined && { nextDueAt: new Date(nextDueAt) }),
    ...(lastDueAt !== undefined && { lastDueAt: new Date(lastDueAt) }),
    ...(lastFiredAt !== undefined && { lastFiredAt: new Date(lastFiredAt) }),
    emitted,
    ...(failure && {
      lastError: { ...failure, at: new Date(failure.at), retryAt: new Date(failure.retryAt) },
    }),
  };
}

/** A definition as it was given. */
function scheduleOf({ startAt, endAt, ...definition }: Definition): Schedule {
  return {
    ...definition,
    ...(startAt !== undefined && { startAt: new Date(startAt) }),
    ...(endAt !== undefined && { endAt: new Date(endAt) }),
  } as Schedule;
}

/** The options of the emits of a schedule. */
export function optionsOf({ options }: Definition): EmitOptions | undefined {
  return options as EmitOptions | undefined;
}
