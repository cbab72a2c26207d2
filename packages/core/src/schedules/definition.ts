import type { JsonValue } from "../contract/json.ts";
import type { Schedule } from "../contract/schedule.ts";
import { emitOptionIssues } from "../emit/emit-options.ts";
import {
  anything,
  type Check,
  type Checks,
  checkText,
  oneOf,
  optionError,
  type OptionIssue,
  optionIssues,
  wholeFrom,
} from "../values/arguments.ts";
import type { Calendar } from "./due-times.ts";
import type { Definition } from "./record.ts";

type AnySchedule = { readonly [Name in keyof Schedule]?: unknown };

const LEAST_INTERVAL_MS = 1_000;
/** A due time is emitted once already, and at that time. */
const NOT_FOR_SCHEDULES = ["delay", "deduplicationId"];

const CHECKS: Checks<AnySchedule> = {
  cron: checkText,
  timeZone: checkText,
  everyMs: wholeFrom(LEAST_INTERVAL_MS),
  event: checkText,
  data: anything,
  options: (value) => [
    ...emitOptionIssues(value),
    ...NOT_FOR_SCHEDULES.filter((name) => has(value, name)).map((name) => ({
      path: [name],
      reason: "is not an option of a schedule",
    })),
  ],
  misfire: oneOf("once", "all", "skip"),
  startAt: checkDate,
  endAt: checkDate,
};

/** Where a schedule was given, for errors. */
export interface Given {
  /** The call, as its errors name it. */
  readonly call: string;
  /** The names on the way to the schedule. */
  readonly path: readonly string[];
}

/**
 * Reads a schedule. Its event is checked elsewhere.
 *
 * @param asData Copies the data of the event as JSON.
 * @throws TypeError that names the option with the mistake.
 */
export async function readSchedule(
  schedule: Schedule,
  given: Given,
  calendar: Calendar,
  asData: (schedule: Schedule) => Promise<JsonValue>,
): Promise<Definition> {
  for (const issue of optionIssues(schedule, CHECKS)) throw mistake(given, issue);
  const reason = contradiction(schedule);
  if (reason) throw mistake(given, reason);
  const { startAt, endAt, ...others } = schedule;
  const data = await asData(schedule);
  const times = { startAt: startAt?.getTime(), endAt: endAt?.getTime() };
  // As every provider gives it back: without members that are undefined.
  const definition = JSON.parse(JSON.stringify({ ...others, ...times, data })) as Definition;
  const wrong = await calendar.mistakeIn(definition);
  if (wrong) throw mistake(given, { path: [wrong.option], reason: wrong.reason });
  return definition;
}

/**
 * @throws TypeError when a definition has no due time, whatever the time is. One that has ended has some.
 */
export async function assertDueOnce(
  definition: Definition,
  given: Given,
  calendar: Calendar,
  anchor: number,
): Promise<void> {
  const { startAt, endAt, ...unbounded } = definition;
  const always = await calendar.dueTimesOf(unbounded, anchor);
  if (always.after(anchor) === undefined) {
    throw mistake(given, { path: ["cron"], reason: "never comes due: there is no such day" });
  }
  if (startAt === undefined || endAt === undefined) return;
  const times = await calendar.dueTimesOf(definition, anchor);
  if (times.after(startAt - 1) !== undefined) return;
  throw mistake(given, { path: ["endAt"], reason: "is before the first due time from startAt on" });
}

function mistake({ call, path }: Given, issue: OptionIssue): TypeError {
  return optionError(call, { ...issue, path: [...path, ...issue.path] });
}

/** What is wrong with options that are right on their own. */
function contradiction({ cron, timeZone, everyMs, ...others }: Schedule): OptionIssue | undefined {
  if (others.event === undefined) {
    return { path: ["event"], reason: "must be the name of an event" };
  }
  if (cron === undefined && everyMs === undefined) {
    return { path: [], reason: "must have cron or everyMs" };
  }
  if (everyMs === undefined) return undefined;
  if (cron !== undefined) return { path: ["everyMs"], reason: "must not be given with cron" };
  return timeZone === undefined
    ? undefined
    : { path: ["timeZone"], reason: "must not be given with everyMs" };
}

function has(options: unknown, name: string): boolean {
  return (options as Readonly<Record<string, unknown>> | undefined)?.[name] !== undefined;
}

function checkDate(value: unknown): ReturnType<Check> {
  return value instanceof Date && !Number.isNaN(value.getTime())
    ? undefined
    : "must be a valid Date";
}
