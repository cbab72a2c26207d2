import type { Clock, Timer } from "../contract/clock.ts";
import type { EventMessage } from "../contract/event.ts";
import type { EventProvider, PublishResult } from "../contract/provider.ts";
import type { ScheduleStore, StoredSchedule } from "../contract/schedule-store.ts";
import { detached } from "../causality/causality.ts";
import { isSame } from "../values/same-json.ts";
import { grownDelay } from "../deliver/policy.ts";
import type { StormLog } from "../deliver/storm-log.ts";
import type { Emitter } from "../emit/emitter.ts";
import type { EmitTimeLimit } from "../emit/emit-time-limit.ts";
import { assertAccepted, type Publisher } from "../emit/publisher.ts";
import { isBusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";
import { safeError } from "../errors/safe-error.ts";
import type { Calendar } from "./due-times.ts";
import {
  type Definition,
  type Due,
  dueUntil,
  fired,
  optionsOf,
  recordOf,
  type ScheduleRecord,
  writeOf,
} from "./record.ts";

/** Schedules that one request lists, besides those that this process has nothing to do for. */
const MOST_LISTED = 100;
/** Schedules that are fired at the same time: one that hangs must not delay the others. */
const MOST_UNDER_WAY = 10;
/** Milliseconds between two looks for schedules that another process may have set. */
const LOOK_EVERY_MS = 5_000;
/** In memory no other process sets any, but the clock may be set, or the machine may have slept. */
const LOOK_IN_MEMORY_EVERY_MS = 60_000;
/** Milliseconds for which a schedule rests that another process was faster for. */
const LOST_MS = 50;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;

/** What {@link Firing} needs. */
export interface FiringOptions {
  readonly store: ScheduleStore;
  readonly provider: Pick<EventProvider, "name" | "capabilities">;
  readonly emitter: Emitter;
  readonly publisher: Publisher;
  readonly timeLimit: EmitTimeLimit;
  readonly storms: StormLog;
  readonly clock: Clock;
  readonly calendar: Calendar;
  /** Resolves when the provider knows every subscription of this process. Undefined if it does now. */
  readonly whenDeclared: () => Promise<void> | undefined;
}

/** Until when this process leaves a schedule alone. */
interface Rest {
  /** The definition that it could not emit for: another one is tried at once. */
  readonly definition: Definition;
  /** How many emits of this process have failed, one after the other. */
  readonly failures: number;
  /** On the scale of `clock.monotonic()`. */
  readonly until: number;
}

/**
 * Emits what schedules are due for. Every process does so: of those that try the same due time, one succeeds. A process
 * whose emits fail, because of an old release for example, waits longer each time, and keeps no other from firing.
 */
export class Firing {
  readonly #options: FiringOptions;
  readonly #lookEveryMs: number;
  /** By schedule. */
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #resting = new Map<string, Rest>();
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #isStale = false;
  #isClosed = false;

  constructor(options: FiringOptions) {
    this.#options = options;
    const { durable } = options.provider.capabilities;
    this.#lookEveryMs = durable ? LOOK_EVERY_MS : LOOK_IN_MEMORY_EVERY_MS;
  }

  /** Looks what is due now: schedules have changed, or their time has come. */
  wake(): void {
    if (this.#isClosed) return;
    if (this.#looking) {
      this.#isStale = true;
      return;
    }
    this.#timer?.cancel();
    // A handler that sets a schedule is not the cause of the events that it emits.
    this.#looking = detached(() => this.#look());
  }

  /** Fires no more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Resolves when nothing is being emitted. */
  async whenIdle(): Promise<void> {
    await this.#looking;
    await Promise.all(this.#underWay.values());
  }

  async #look(): Promise<void> {
    let waitMs: number;
    do {
      this.#isStale = false;
      try {
        waitMs = await this.#beginDue();
      } catch (err) {
        waitMs = LOOK_EVERY_MS;
        this.#warn(err);
      }
    } while (this.#isStale && !this.#isClosed);
    this.#looking = undefined;
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.setTimeout(() => this.wake(), waitMs);
  }

  /** Begins to fire what is due. Resolves with the milliseconds until the next look. The end of each wakes it, too. */
  async #beginDue(): Promise<number> {
    const { store, whenDeclared } = this.#options;
    await whenDeclared();
    const limit = MOST_LISTED + this.#underWay.size + this.#resting.size;
    const { now, schedules, nextDueAt = Infinity } = await store.due(limit);
    let waitMs = Math.min(nextDueAt - now, this.#lookEveryMs);
    for (const stored of schedules) {
      const restMs = this.#restMs(stored);
      if (restMs > 0) waitMs = Math.min(waitMs, restMs);
      else if (!this.#isClosed) this.#begin(stored, now);
    }
    return Math.max(waitMs, 1);
  }

  /** For how many milliseconds this process leaves a schedule alone. */
  #restMs(stored: StoredSchedule): number {
    const rest = this.#resting.get(stored.id);
    if (!rest || !isSame(rest.definition, recordOf(stored).definition)) return 0;
    return rest.until - this.#options.clock.monotonic();
  }

  #begin(stored: StoredSchedule, now: number): void {
    const { id } = stored;
    if (this.#underWay.has(id) || this.#underWay.size >= MOST_UNDER_WAY) return;
    const firing = this.#fire(stored, now).then(() => {
      this.#underWay.delete(id);
      this.wake();
    });
    this.#underWay.set(id, firing);
  }

  /** Never rejects. */
  async #fire(stored: StoredSchedule, now: number): Promise<void> {
    const record = recordOf(stored);
    const { definition, anchor, nextDueAt = stored.dueAt ?? now } = record;
    try {
      const times = await this.#options.calendar.dueTimesOf(definition, anchor);
      // The clock of the server may have been set back.
      if (nextDueAt > now) return this.#rest(stored, this.#failuresOf(stored), LOST_MS);
      const due = dueUntil(now, nextDueAt, times, definition.misfire);
      const messages = due.times.map((time) => messageOf(stored.id, definition, time));
      const results = await this.#emit(messages, stored, due, now);
      if (results) this.#resting.delete(stored.id);
      else this.#rest(stored, this.#failuresOf(stored), LOST_MS);
    } catch (error) {
      if (this.#isClosed) return;
      const failures = this.#failuresOf(stored) + 1;
      const retryMs = grownDelay(FIRST_RETRY_MS, 2, failures - 1, LONGEST_RETRY_MS);
      this.#rest(stored, failures, retryMs);
      await this.#failed(stored, record, error, now, retryMs).catch((err: unknown) =>
        this.#warn(err),
      );
    }
  }

  #failuresOf({ id }: StoredSchedule): number {
    return this.#resting.get(id)?.failures ?? 0;
  }

  #rest(stored: StoredSchedule, failures: number, restMs: number): void {
    const until = this.#options.clock.monotonic() + restMs;
    this.#resting.set(stored.id, { definition: recordOf(stored).definition, failures, until });
  }

  async #emit(
    messages: readonly EventMessage[],
    stored: StoredSchedule,
    due: Due,
    now: number,
  ): Promise<readonly PublishResult[] | undefined> {
    const { emitter, publisher, provider, store, timeLimit } = this.#options;
    const { id, version } = stored;
    const write = (emitted: number) => writeOf(id, fired(recordOf(stored), due, emitted, now));
    if (messages.length === 0) return (await store.write(write(0), version)) ? [] : undefined;
    return emitter.emitBy(messages, async (envelopes, deadline) => {
      const written = write(envelopes.length);
      if (envelopes.length === 0) return (await store.write(written, version)) ? [] : undefined;
      let isLost = false;
      const results = await publisher.counted(envelopes, async () => {
        const options = { deadline, inHandler: false };
        const firing = store.fire(written, version, envelopes, options);
        const who = `Provider "${provider.name}"`;
        const unknown = envelopes.map((envelope) => envelope.id);
        const answer = await timeLimit.within(firing, deadline, () => ({ who, unknown }), true);
        isLost = answer === undefined;
        return answer ?? [];
      });
      if (isLost) return undefined;
      assertAccepted(provider.name, envelopes, results);
      return results;
    });
  }

  /** Writes down that an emit has failed, unless another process has fired meanwhile. The due time stays. */
  async #failed(
    { id, version }: StoredSchedule,
    record: ScheduleRecord,
    error: unknown,
    now: number,
    retryMs: number,
  ): Promise<void> {
    const { storms, store } = this.#options;
    const err = safeError(error);
    const attempts = (record.failure?.attempts ?? 0) + 1;
    const code = isBusbarError(err) ? err.code : undefined;
    const failure = { message: err.message, code, at: now, attempts, retryAt: now + retryMs };
    if (!(await store.write(writeOf(id, { ...record, failure }), version))) return;
    storms.write({
      level: "error",
      kind: "failed emits of schedules",
      fields: { scheduleId: id, attempts, err },
      message: `Schedule ${quoted(id)} could not emit; this process tries it again in ${retryMs} ms`,
    });
  }

  #warn(err: unknown): void {
    if (this.#isClosed) return;
    this.#options.storms.write({
      level: "warn",
      kind: "looks for due schedules",
      fields: { err },
      message: "The schedules that are due could not be read; they are read again",
    });
  }
}

/** The message that a schedule emits for a due time. */
function messageOf(id: string, definition: Definition, time: number): EventMessage {
  const dueAt = new Date(time).toISOString();
  return {
    id: `${id}@${dueAt}`,
    name: definition.event,
    data: definition.data,
    metadata: { scheduleId: id, dueAt },
    options: optionsOf(definition),
  };
}
