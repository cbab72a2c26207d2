import type { Cron } from "croner";
import { quoted } from "../errors/quoted.ts";
import { messageOf } from "../errors/thrown.ts";
import { nearestHint } from "../values/arguments.ts";
import type { Definition } from "./record.ts";

/** The due times of a schedule. */
export interface DueTimes {
  /** The first due time after a time, in milliseconds since the epoch. Undefined if there is none. */
  after(time: number): number | undefined;
}

/** A mistake in the due times of a definition. */
export interface TimesMistake {
  readonly option: "cron" | "timeZone";
  readonly reason: string;
}

const FIELDS = ["second", "minute", "hour", "day of month", "month", "day of week"];

/**
 * A time that a cron expression names, and that occurs twice when clocks are set back, is due once: the first time. One
 * that does not occur when they are set forward is due when the gap ends. Fields with `*` go by the time that passes.
 */
const RULES = { mode: "5-or-6-parts", fixedTimeRule: "no-wildcard", paused: true } as const;

/** Loads the parser of expressions, once and with the first of them. */
export class Calendar {
  #loading: Promise<typeof Cron> | undefined;

  /**
   * Returns the due times of a definition.
   *
   * @param anchor A due time of an interval, from which the others are counted.
   */
  async dueTimesOf(definition: Definition, anchor: number): Promise<DueTimes> {
    const { startAt = Number.NEGATIVE_INFINITY, endAt = Number.POSITIVE_INFINITY } = definition;
    const next = await this.#unboundedTimes(definition, anchor);
    return {
      after(time) {
        const due = next(Math.max(time, startAt - 1));
        return due === undefined || due > endAt ? undefined : due;
      },
    };
  }

  /** What is wrong with the expression or the time zone of a definition, if anything. */
  async mistakeIn({ cron, timeZone }: Definition): Promise<TimesMistake | undefined> {
    if (timeZone !== undefined && !isTimeZone(timeZone)) {
      const hint = nearestHint(timeZone, Intl.supportedValuesOf("timeZone"));
      const example = hint || ', such as "Europe/Berlin"';
      const reason = `must be a time zone of the IANA database, not ${quoted(timeZone)}${example}`;
      return { option: "timeZone", reason };
    }
    if (cron === undefined) return undefined;
    const reason = cronMistake(cron, await this.#load());
    return reason === undefined ? undefined : { option: "cron", reason };
  }

  async #unboundedTimes(
    { cron, timeZone, everyMs }: Definition,
    anchor: number,
  ): Promise<DueTimes["after"]> {
    if (everyMs !== undefined) {
      return (time) =>
        time < anchor ? anchor : anchor + (Math.floor((time - anchor) / everyMs) + 1) * everyMs;
    }
    if (cron === undefined) throw new Error("This release does not know when the schedule is due");
    const Expression = await this.#load();
    const expression = new Expression(cron, { ...RULES, timezone: timeZone ?? "UTC" });
    return (time) => {
      // Before the epoch nothing is due.
      const due = expression.nextRun(new Date(Math.max(time, 0)));
      return due?.getTime();
    };
  }

  /** Not an import each time: with a loader of TypeScript, an import takes longer than a turn of virtual time. */
  #load(): Promise<typeof Cron> {
    this.#loading ??= import("croner").then((croner) => croner.Cron);
    return this.#loading;
  }
}

/** The latest due time that is not after `now`. `from` is a due time that is not after `now` either. */
export function latestUntil(times: DueTimes, from: number, now: number): number {
  let latest = from;
  let isPast = now;
  while (latest < isPast) {
    const middle = latest + Math.floor((isPast - latest) / 2);
    const due = times.after(middle);
    if (due === undefined || due > now) isPast = middle;
    else latest = due;
  }
  return latest;
}

function cronMistake(cron: string, Expression: typeof Cron): string | undefined {
  const fields = cron.trim().split(/\s+/);
  const isNamed = cron.startsWith("@");
  if (!isNamed && fields.length !== 5 && fields.length !== 6) {
    return `must have 5 or 6 fields, as "0 2 * * *" has, and ${quoted(cron)} has ${fields.length}`;
  }
  const all = parseMistake(cron, Expression);
  if (all === undefined || isNamed) return all && `cannot be ${quoted(cron)}: ${all}`;
  for (const [index, field] of fields.entries()) {
    const alone = fields.map((_, at) => (at === index ? field : "*")).join(" ");
    const mistake = parseMistake(alone, Expression);
    if (mistake === undefined) continue;
    const name = FIELDS[index + FIELDS.length - fields.length];
    return `cannot have ${quoted(field)} in field ${index + 1} (${name}): ${mistake}`;
  }
  return `cannot be ${quoted(cron)}: ${all}`;
}

function parseMistake(cron: string, Expression: typeof Cron): string | undefined {
  try {
    new Expression(cron, RULES);
    return undefined;
  } catch (error) {
    return messageOf(error).replace(/^CronPattern: /, "");
  }
}

/** Only names: the same expression must mean the same times on every release of Node. */
function isTimeZone(timeZone: string): boolean {
  if (!/^[a-z]/i.test(timeZone)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}
