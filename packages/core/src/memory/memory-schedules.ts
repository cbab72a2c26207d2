import type { Clock } from "../contract/clock.ts";
import type { Envelope, PublishResult } from "../contract/provider.ts";
import type { ScheduleStore, ScheduleWrite, StoredSchedule } from "../contract/schedule-store.ts";

/** What {@link MemorySchedules} need. */
export interface MemorySchedulesOptions {
  readonly clock: Clock;
  /** Publishes all envelopes at once, or none of them. */
  readonly publish: (batch: readonly Envelope[]) => readonly PublishResult[];
}

/** The schedules of this process. */
export class MemorySchedules implements ScheduleStore {
  readonly #options: MemorySchedulesOptions;
  readonly #schedules = new Map<string, StoredSchedule>();
  #lastVersion = 0;

  constructor(options: MemorySchedulesOptions) {
    this.#options = options;
  }

  async list(): Promise<readonly StoredSchedule[]> {
    return [...this.#schedules.values()];
  }

  async write(schedule: ScheduleWrite, version: number | undefined): Promise<boolean> {
    return this.#write(schedule, version);
  }

  async remove(id: string): Promise<boolean> {
    return this.#schedules.delete(id);
  }

  async due(limit: number): ReturnType<ScheduleStore["due"]> {
    const now = this.#options.clock.now();
    const dated = [...this.#schedules.values()]
      .filter(isDated)
      .toSorted((a, b) => a.dueAt - b.dueAt);
    const first = dated.findIndex(({ dueAt }) => dueAt > now);
    const schedules = dated.slice(0, first === -1 ? dated.length : first).slice(0, limit);
    return { now, schedules, nextDueAt: dated[first]?.dueAt };
  }

  async fire(
    schedule: ScheduleWrite,
    version: number,
    envelopes: readonly Envelope[],
  ): Promise<readonly PublishResult[] | undefined> {
    if (this.#schedules.get(schedule.id)?.version !== version) return undefined;
    const results = this.#options.publish(envelopes);
    if (results.every(({ status }) => status !== "rejected")) this.#write(schedule, version);
    return results;
  }

  #write({ id, record, dueAt }: ScheduleWrite, version: number | undefined): boolean {
    if (this.#schedules.get(id)?.version !== version) return false;
    this.#lastVersion += 1;
    this.#schedules.set(id, {
      id,
      record: structuredClone(record),
      dueAt,
      version: this.#lastVersion,
    });
    return true;
  }
}

function isDated(schedule: StoredSchedule): schedule is StoredSchedule & { dueAt: number } {
  return schedule.dueAt !== undefined;
}
