import type { EmitOptions } from "./event.ts";
import type { EventName } from "./event-patterns.ts";

/** Due times that a cron expression describes, for {@link Schedule}. */
export interface CronTimes {
  /**
   * A cron expression with five fields: minute, hour, day of month, month, day of week. With six fields, the first is
   * the second. `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` are allowed.
   */
  readonly cron: string;
  /**
   * The time zone of the expression, by its name in the IANA database, such as `Europe/Berlin`.
   *
   * @default "UTC"
   */
  readonly timeZone?: string | undefined;
  /** Not allowed with `cron`. */
  readonly everyMs?: undefined;
}

/** Due times at a fixed interval, for {@link Schedule}. */
export interface IntervalTimes {
  /**
   * The milliseconds from one due time to the next, at least 1 000. The first due time is `startAt`. Without `startAt`,
   * the first due time is one interval after the schedule was set.
   */
  readonly everyMs: number;
  /** Not allowed with `everyMs`. */
  readonly cron?: undefined;
  /** Not allowed with `everyMs`. */
  readonly timeZone?: undefined;
}

/**
 * What a schedule does about missed due times, for example because no process was running.
 *
 * - `once` emits one event, for the latest missed due time.
 * - `all` emits one event for each missed due time, in order.
 * - `skip` emits no event for a due time that is more than 60 seconds ago.
 */
export type Misfire = "once" | "all" | "skip";

/** The event that a schedule emits, and when the schedule begins and ends. */
export interface ScheduledEvent<Name extends string, T> {
  /** The name of the event. */
  readonly event: Name;
  /** The data of each event. */
  readonly data: T;
  /** The options of each emit. By default the bus that emits uses its `defaults`. */
  readonly options?: Omit<EmitOptions, "delay" | "deduplicationId"> | undefined;
  /**
   * What the schedule does about missed due times.
   *
   * @default "once"
   */
  readonly misfire?: Misfire | undefined;
  /** The earliest possible due time. By default the schedule begins when it is set. */
  readonly startAt?: Date | undefined;
  /** The latest possible due time. By default the schedule has no end. */
  readonly endAt?: Date | undefined;
}

/**
 * A recurring emit: its due times, and the event that it emits. Set a schedule with {@link Schedules.set}, or with the
 * option `schedules` of a bus.
 *
 * @example
 * ```ts
 * const nightly: Schedule = {
 *   cron: "0 2 * * *",
 *   timeZone: "Europe/Berlin",
 *   event: "report.requested",
 *   data: { report: "sales" },
 * };
 * ```
 */
export type Schedule<Events extends object = never> = (CronTimes | IntervalTimes) &
  ([Events] extends [never]
    ? ScheduledEvent<string, unknown>
    : object extends Events
      ? ScheduledEvent<string, unknown>
      : TypedScheduledEvent<Events>);

type TypedScheduledEvent<
  Events extends object,
  Name extends EventName<Events> = EventName<Events>,
> = Name extends unknown ? ScheduledEvent<Name, Events[Name]> : never;

/** A schedule of the bus, and its state. */
export interface ScheduleInfo {
  /** The id of the schedule. */
  readonly id: string;
  /** The schedule, as it was set. */
  readonly schedule: Schedule;
  /** Whether the schedule is paused. */
  readonly paused: boolean;
  /**
   * The next due time. While the emit for a due time fails, `nextDueAt` stays in the past. Absent while the schedule is
   * paused, and after its last due time.
   */
  readonly nextDueAt?: Date | undefined;
  /** The latest due time for which the schedule has emitted an event, or which it has skipped. */
  readonly lastDueAt?: Date | undefined;
  /** The time at which the schedule last emitted an event. */
  readonly lastFiredAt?: Date | undefined;
  /** The number of events that the schedule has emitted since it was set for the first time. */
  readonly emitted: number;
  /** The error of the last emit. Absent if the last emit succeeded. */
  readonly lastError?: ScheduleError | undefined;
}

/** The failure of the last emit of a schedule. */
export interface ScheduleError {
  /** The message of the error, without payloads. */
  readonly message: string;
  /** The code of the error, such as `BUSBAR_INVALID_EVENT`. */
  readonly code?: string | undefined;
  /** The time at which the emit failed. */
  readonly at: Date;
  /** The number of consecutive emits that have failed. */
  readonly attempts: number;
  /** The time at which the process whose emit failed tries again. Other processes may emit earlier. */
  readonly retryAt: Date;
}

// As `EventMethods`: TypeScript lets a bus that knows its events stand in for one that does not for methods only.
type SetMethod<Events extends object> = [Events] extends [never]
  ? { set(id: string, schedule: Schedule): Promise<void> }
  : { set(id: string, schedule: Schedule<Events>): Promise<void> };

/**
 * Manages the schedules of a bus. All processes of the bus share the schedules, and each due time emits one event. The
 * clock of the provider's server decides when a schedule is due.
 *
 * Every method rejects with `BUSBAR_UNSUPPORTED` if the provider does not keep schedules.
 */
export interface Schedules<Events extends object = never> {
  /**
   * Creates a schedule, or replaces the schedule with this id. Does nothing if the stored schedule is equal, so every
   * process can call `set` at its start.
   *
   * If the expression, interval, time zone, start or end changes, the due times are computed again from now on. If only
   * the event, data or options change, the due times stay the same. A paused schedule stays paused.
   *
   * @param id The id of the schedule: 1 to 200 printable characters.
   * @throws TypeError when the schedule is malformed, or is never due.
   * @throws BusbarError `BUSBAR_INVALID_MESSAGE` or `BUSBAR_INVALID_EVENT` when an emit of the event would reject.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider does not support the emit options of the schedule.
   *
   * @example
   * ```ts
   * await bus.schedules.set("nightly-report", {
   *   cron: "0 2 * * *",
   *   timeZone: "Europe/Berlin",
   *   event: "report.requested",
   *   data: { report: "sales" },
   * });
   * ```
   */
  readonly set: SetMethod<Events>["set"];
  /** Resolves with the schedule and its state, or with undefined if no schedule has this id. */
  get(id: string): Promise<ScheduleInfo | undefined>;
  /** Resolves with all schedules and their state, ordered by id. */
  list(): Promise<readonly ScheduleInfo[]>;
  /** Removes a schedule in every process. Events that it has emitted stay. Resolves with whether the schedule existed. */
  remove(id: string): Promise<boolean>;
  /**
   * Pauses a schedule in every process, until `resume` is called.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no schedule with this id.
   */
  pause(id: string): Promise<void>;
  /**
   * Resumes a paused schedule in every process. The schedule continues with its first due time from now on. Due times
   * during the pause do not count as missed, and emit no event.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no schedule with this id.
   */
  resume(id: string): Promise<void>;
  /**
   * Emits the event of a schedule now, even if the schedule is paused. The due times of the schedule do not change.
   * Resolves with the id of the event. Rejects as `emit` does.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no schedule with this id.
   *
   * @example
   * ```ts
   * const eventId = await bus.schedules.trigger("nightly-report");
   * ```
   */
  trigger(id: string): Promise<string>;
}
