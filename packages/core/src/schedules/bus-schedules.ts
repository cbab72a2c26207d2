import type { EventMessage } from "../contract/event.ts";
import type { JsonValue } from "../contract/json.ts";
import type { Schedule, ScheduleInfo, Schedules } from "../contract/schedule.ts";
import type { ScheduleWrite, StoredSchedule } from "../contract/schedule-store.ts";
import { checkSubscriberId } from "../deliver/policy.ts";
import { BusbarError, isBusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";
import { isSame } from "../values/same-json.ts";
import { nearestHint } from "../values/arguments.ts";
import { assertDueOnce, type Given, readSchedule } from "./definition.ts";
import { Calendar } from "./due-times.ts";
import { Firing, type FiringOptions } from "./firing.ts";
import {
  type Definition,
  infoOf,
  optionsOf,
  recordOf,
  type ScheduleRecord,
  withoutFailure,
  writeOf,
} from "./record.ts";

/** Writes of others that one change may lose against, one after the other. */
const MOST_LOST_WRITES = 100;

/** A schedule as a look has found it, and the time of the server then. */
interface Seen {
  readonly stored: StoredSchedule | undefined;
  readonly now: number;
}

/** What to write of a schedule. Undefined: nothing. */
type Change = (seen: Seen) => Promise<ScheduleRecord | undefined>;

/** What {@link BusSchedules} need. */
export type BusSchedulesOptions = Omit<FiringOptions, "calendar">;

/** The schedules of a bus. Loaded when they are used, as most programs never do. */
export class BusSchedules implements Schedules {
  readonly #options: BusSchedulesOptions;
  readonly #calendar = new Calendar();
  readonly #firing: Firing;

  constructor(options: BusSchedulesOptions) {
    this.#options = options;
    this.#firing = new Firing({ ...options, calendar: this.#calendar });
  }

  /** Sets the schedules in the options of the bus. */
  async setAll(schedules: Readonly<Record<string, Schedule>>): Promise<void> {
    const { store } = this.#options;
    const entries = Object.entries(schedules);
    if (entries.length === 0) return;
    const stored = new Map((await store.list()).map((it) => [it.id, it]));
    const { now } = await store.due(1);
    for (const [id, schedule] of entries) {
      const given = { call: "createEventBus()", path: ["schedules", id] };
      await this.#set(id, schedule, given, { stored: stored.get(id), now });
    }
  }

  /** Fires what is due, from now on. */
  start(): void {
    this.#firing.wake();
  }

  /** Fires no more. */
  close(): void {
    this.#firing.close();
  }

  /** Resolves when nothing is being emitted. */
  whenIdle(): Promise<void> {
    return this.#firing.whenIdle();
  }

  set(id: string, schedule: Schedule): Promise<void> {
    return this.#set(id, schedule, { call: `schedules.set(${quoted(id)})`, path: [] });
  }

  async get(id: string): Promise<ScheduleInfo | undefined> {
    const stored = await this.#find(id);
    return stored && infoOf(stored);
  }

  async list(): Promise<readonly ScheduleInfo[]> {
    const schedules = await this.#options.store.list();
    return schedules.map(infoOf).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  remove(id: string): Promise<boolean> {
    return this.#options.store.remove(id);
  }

  async pause(id: string): Promise<void> {
    await this.#change(id, async ({ stored }) => {
      const record = withoutFailure(await this.#known(id, stored));
      return record.paused ? undefined : { ...record, paused: true, nextDueAt: undefined };
    });
  }

  async resume(id: string): Promise<void> {
    await this.#change(id, async ({ stored, now }) => {
      const record = await this.#known(id, stored);
      return record.paused ? this.#dueAfter({ ...record, paused: undefined }, now) : undefined;
    });
  }

  async trigger(id: string): Promise<string> {
    const { definition } = await this.#known(id, await this.#find(id));
    const { now } = await this.#options.store.due(1);
    const dueAt = new Date(now).toISOString();
    const message: EventMessage = {
      name: definition.event,
      data: definition.data,
      metadata: { scheduleId: id, dueAt },
      options: optionsOf(definition),
    };
    const [eventId] = await this.#options.emitter.emit([message], undefined, undefined);
    return eventId as string;
  }

  /** @param seen What is known of the schedule, so that it need not be read first. */
  async #set(id: string, schedule: Schedule, given: Given, seen?: Seen): Promise<void> {
    const reason = checkSubscriberId(id);
    if (reason !== undefined) throw new TypeError(`${given.call}: the id of a schedule ${reason}`);
    const definition = await readSchedule(schedule, given, this.#calendar, (it) =>
      this.#asData(id, it),
    );
    const change: Change = async ({ stored, now }) => {
      const before = stored && recordOf(stored);
      if (before && isSame(before.definition, definition)) return undefined;
      if (before && hasSameTimes(before.definition, definition)) {
        return { ...withoutFailure(before), definition };
      }
      const anchor = definition.startAt ?? now + (definition.everyMs ?? 0);
      await assertDueOnce(definition, given, this.#calendar, anchor);
      const { lastDueAt, lastFiredAt, emitted = 0, paused } = before ?? {};
      const record = { definition, anchor, paused, lastDueAt, lastFiredAt, emitted };
      return paused ? record : this.#dueAfter(record, now);
    };
    await this.#change(id, change, seen);
  }

  async #dueAfter(record: ScheduleRecord, now: number): Promise<ScheduleRecord> {
    const times = await this.#calendar.dueTimesOf(record.definition, record.anchor);
    return { ...record, nextDueAt: times.after(now) };
  }

  /**
   * The data of a schedule's event as JSON.
   *
   * @throws BusbarError `BUSBAR_INVALID_MESSAGE`, `BUSBAR_INVALID_EVENT` or `BUSBAR_UNSUPPORTED`, as an emit does.
   */
  async #asData(id: string, { event, data, options }: Schedule): Promise<JsonValue> {
    try {
      const message: EventMessage = { name: event, data, options };
      const [envelope] = await this.#options.emitter.prepare(
        message,
        undefined,
        undefined,
        undefined,
      );
      return envelope?.data ?? null;
    } catch (error) {
      if (!isBusbarError(error)) throw error;
      const { code, message, details, cause } = error;
      throw new BusbarError(code, `Schedule ${quoted(id)}: ${message}`, details, { cause });
    }
  }

  /** Writes a schedule as `change` says, which is asked again if another process has written it in between. */
  async #change(id: string, change: Change, seen?: Seen): Promise<void> {
    const { provider, store } = this.#options;
    for (let lost = 0; lost < MOST_LOST_WRITES; lost += 1) {
      const present = lost === 0 && seen ? seen : await this.#see(id);
      const record = await change(present);
      if (!record) return;
      const write: ScheduleWrite = writeOf(id, record);
      if (!(await store.write(write, present.stored?.version))) continue;
      this.#firing.wake();
      return;
    }
    const message = `Schedule ${quoted(id)} is written by others all the time`;
    throw new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: provider.name });
  }

  async #see(id: string): Promise<Seen> {
    const stored = await this.#find(id);
    const { now } = await this.#options.store.due(1);
    return { stored, now };
  }

  async #find(id: string): Promise<StoredSchedule | undefined> {
    return (await this.#options.store.list()).find((stored) => stored.id === id);
  }

  /** @throws BusbarError `BUSBAR_NOT_FOUND` when there is no such schedule. */
  async #known(id: string, stored: StoredSchedule | undefined): Promise<ScheduleRecord> {
    if (stored) return recordOf(stored);
    const known = (await this.#options.store.list()).map((it) => it.id);
    throw new BusbarError(
      "BUSBAR_NOT_FOUND",
      `There is no schedule ${quoted(id)}${nearestHint(id, known)}`,
      { kind: "schedule", id },
    );
  }
}

/** Whether two definitions have the same due times: what they emit may differ. */
function hasSameTimes(one: Definition, other: Definition): boolean {
  return isSame(timesOf(one), timesOf(other));
}

function timesOf({ cron, timeZone, everyMs, startAt, endAt }: Definition): readonly unknown[] {
  return [cron, timeZone, everyMs, startAt, endAt];
}
