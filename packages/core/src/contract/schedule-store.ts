import type { JsonObject } from "./json.ts";
import type { Envelope, PublishOptions, PublishResult } from "./provider.ts";

/** A schedule as a provider keeps it. */
export interface StoredSchedule {
  /** The id of the schedule: 1 to 200 printable characters. */
  readonly id: string;
  /** What the bus has written about the schedule. The provider does not look into it. */
  readonly record: JsonObject;
  /** When it is due next: milliseconds since the epoch, by the clock of the provider's server. Absent: never. */
  readonly dueAt?: number | undefined;
  /** Another number after each write of this schedule, also after it was removed and written again. */
  readonly version: number;
}

/** What a write leaves of a schedule: its record, and when it is due next. */
export type ScheduleWrite = Pick<StoredSchedule, "id" | "record" | "dueAt">;

/**
 * Keeps the schedules of a bus, as durably as the subscription list. The bus computes when they are due. A write of a
 * process that has not seen the last write does nothing. So processes need no lease, and a crash leaves nothing behind.
 */
export interface ScheduleStore {
  /** Resolves with every schedule. */
  list(): Promise<readonly StoredSchedule[]>;
  /**
   * Writes a schedule, if its version is still `version`; undefined means that it does not exist. Resolves with whether
   * it was written.
   */
  write(schedule: ScheduleWrite, version: number | undefined): Promise<boolean>;
  /** Removes a schedule. Resolves with whether there was one. */
  remove(id: string): Promise<boolean>;
  /**
   * Resolves with at most `limit` schedules whose time has come, the earliest first. The answer also has the time of the
   * server, and the time at which the first of the later schedules is due.
   */
  due(limit: number): Promise<{
    readonly now: number;
    readonly schedules: readonly StoredSchedule[];
    readonly nextDueAt?: number | undefined;
  }>;
  /**
   * Publishes `envelopes` as `publish` does, and writes the schedule, in one atomic step, if its version is still
   * `version`. Otherwise it does nothing, and resolves with undefined. If an envelope is refused, nothing is published
   * and nothing is written.
   */
  fire(
    schedule: ScheduleWrite,
    version: number,
    envelopes: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[] | undefined>;
}
