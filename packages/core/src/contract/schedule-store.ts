import type { JsonObject } from "./json.ts";
import type { Envelope, PublishOptions, PublishResult } from "./provider.ts";

/** A schedule as a provider stores it. */
export interface StoredSchedule {
  /** The id of the schedule: 1 to 200 printable characters. */
  readonly id: string;
  /** The schedule and its state, in a format of the bus. The provider stores the record and does not read it. */
  readonly record: JsonObject;
  /**
   * The next due time, in milliseconds since the epoch on the clock of the provider's server. A schedule without `dueAt`
   * is not due.
   */
  readonly dueAt?: number | undefined;
  /** The version of this schedule, a new number after each write. A number is never used again, even after a removal. */
  readonly version: number;
}

/** The values that a write stores: the record of the schedule, and its next due time. */
export type ScheduleWrite = Pick<StoredSchedule, "id" | "record" | "dueAt">;

/**
 * Stores the schedules of a bus, as durably as the subscription list. The bus computes the due times. A write with an
 * outdated version does nothing. So processes need no lock, and a crash leaves no lock behind.
 */
export interface ScheduleStore {
  /** Resolves with all schedules, in any order. */
  list(): Promise<readonly StoredSchedule[]>;
  /**
   * Writes a schedule if its version is still `version`. With `version` undefined, writes the schedule only if it does
   * not exist. Resolves with whether the schedule was written.
   */
  write(schedule: ScheduleWrite, version: number | undefined): Promise<boolean>;
  /** Removes a schedule. Resolves with whether the schedule existed. */
  remove(id: string): Promise<boolean>;
  /**
   * Resolves with at most `limit` schedules that are due, the earliest first. `now` is the time of the server.
   * `nextDueAt` is the next due time of the schedules that are not due yet.
   */
  due(limit: number): Promise<{
    readonly now: number;
    readonly schedules: readonly StoredSchedule[];
    readonly nextDueAt?: number | undefined;
  }>;
  /**
   * Publishes `envelopes` as `publish` does and writes the schedule, in one atomic step, if the version of the schedule
   * is still `version`. Otherwise does nothing, and resolves with undefined. If the provider rejects an envelope, nothing
   * is published and nothing is written.
   */
  fire(
    schedule: ScheduleWrite,
    version: number,
    envelopes: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[] | undefined>;
}
