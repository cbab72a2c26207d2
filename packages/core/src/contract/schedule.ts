import type { EmitOptions } from "./event.ts";
import type { EventName } from "./event-patterns.ts";

/** Due times that a cron expression describes. */
export interface CronTimes {
  /**
   * A cron expression with five fields: minute, hour, day of month, month, day of week. A sixth field in front is the
   * second. `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` are allowed.
   */
  readonly cron: string;
  /**
   * The time zone of the expression, by its name in the IANA database, such as `Europe/Berlin`.
   *
   * @default "UTC"
   */
  readonly timeZone?: string | undefined;
  /** Never with `cron`. */
  readonly everyMs?: undefined;
}

/** Due times at a fixed interval. */
export interface IntervalTimes {
  /**
   * The milliseconds from one due time to the next, at least 1 000. The first due time is `startAt`. Without `startAt`
   * it is one interval after the schedule was set.
   */
  readonly everyMs: number;
  /** Never with `everyMs`. */
  readonly cron?: undefined;
  /** Never with `everyMs`. */
  readonly timeZone?: undefined;
}

/**
 * What a schedule does about due times at which no process could emit.
 *
 * - `once` emits one event, for the latest due time.
 * - `all` emits an event for each due time, in order.
 * - `skip` emits no event for a due time that is more than 60 seconds ago.
 */
export type Misfire = "once" | "all" | "skip";

/** The event that a schedule emits, and when it begins and ends. */
export interface ScheduledEvent<Name extends string, T> {
  /** The name of the event. */
  readonly event: Name;
  /** The data of each event. */
  readonly data: T;
  /** The options of each emit. By default the `defaults` of the bus that emits. */
  readonly options?: Omit<EmitOptions, "delay" | "deduplicationId"> | undefined;
  /**
   * What the schedule does about missed due times.
   *
   * @default "once"
   */
  readonly misfire?: Misfire | undefined;
  /** The time of the first due time, at the earliest. By default the schedule begins when it is set. */
  readonly startAt?: Date | undefined;
  /** The time of the last due time, at the latest. By default the schedule has no end. */
  readonly endAt?: Date | undefined;
}

/**
 * A recurring emit: when it is due, and the event that it emits.
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

/** A schedule of the bus, and what has become of it. */
export interface ScheduleInfo {
  /** The id of the schedule. */
  readonly id: string;
  /** The schedule, as `set` was given it. */
  readonly schedule: Schedule;
  /** Whether the schedule is paused. */
  readonly paused: boolean;
  /** The next due time. In the past while the emit of a due time fails. Absent while paused, and after the last one. */
  readonly nextDueAt?: Date | undefined;
  /** The latest due time for which an event was emitted, or skipped. */
  readonly lastDueAt?: Date | undefined;
  /** When the latest event was emitted. */
  readonly lastFiredAt?: Date | undefined;
  /** The number of events that the schedule has emitted since it was set for the first time. */
  readonly emitted: number;
  /** Why the last emit failed. Absent after an emit that succeeded. */
  readonly lastError?: ScheduleError | undefined;
}

/** Why a due time has not led to an event yet. */
export interface ScheduleError {
  /** The message of the error, without payloads. */
  readonly message: string;
  /** The code of the error, such as `BUSBAR_INVALID_EVENT`. */
  readonly code?: string | undefined;
  /** When the emit failed. */
  readonly at: Date;
  /** The number of emits that failed one after the other. */
  readonly attempts: number;
  /** When the process whose emit failed tries it again. Other processes may emit before that. */
  readonly retryAt: Date;
}

// As `EventMethods`: TypeScript lets a bus that knows its events stand in for one that does not for methods only.
type SetMethod<Events extends object> = [Events] extends [never]
  ? { set(id: string, schedule: Schedule): Promise<void> }
  : { set(id: string, schedule: Schedule<Events>): Promise<void> };

/**
 * The schedules of a bus. All processes of the bus share them, and each due time leads to one event. The time is the
 * time of the provider's server.
 *
 * Every method rejects with `BUSBAR_UNSUPPORTED` if the provider does not keep schedules.
 */
export interface Schedules<Events extends object = never> {
  /**
   * Creates a schedule, or replaces it. Does nothing if the schedule is equal to the stored one, so that every process
   * can call it at its start. A new expression, interval, time zone or start counts from now on. A new event, new data
   * or new options keep the due times. A paused schedule stays paused.
   *
   * @param id The id of the schedule: 1 to 200 printable characters.
   * @throws TypeError when the schedule is malformed, or never comes due.
   * @throws BusbarError `BUSBAR_INVALID_MESSAGE` or `BUSBAR_INVALID_EVENT` when the bus would refuse its event.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider does not support its options.
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
  /** Resolves with a schedule, or with undefined if there is none with this id. */
  get(id: string): Promise<ScheduleInfo | undefined>;
  /** Resolves with every schedule, ordered by id. */
  list(): Promise<readonly ScheduleInfo[]>;
  /** Removes a schedule in every process. Events that it has emitted stay. Resolves with whether there was one. */
  remove(id: string): Promise<boolean>;
  /**
   * Pauses a schedule in every process, until `resume` is called.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no schedule with this id.
   */
  pause(id: string): Promise<void>;
  /**
   * Resumes a schedule that is paused. It continues with the first due time from now on: due times during the pause are
   * not missed, and lead to no event.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no schedule with this id.
   */
  resume(id: string): Promise<void>;
  /**
   * Emits the event of a schedule now, also while the schedule is paused. Its due times stay as they are. Resolves with
   * the id of the event, and rejects as `emit` does.
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
