import type { Clock, Timer } from "../contract/clock.ts";
import type { EventMessage } from "../contract/event.ts";
import type { EventProvider, PublishResult } from "../contract/provider.ts";
import type { ScheduleStore, StoredSchedule } from "../contract/schedule-store.ts";
import { detached } from "../causality/causality.ts";
import { grownDelay } from "../deliver/policy.ts";
import type { StormLog } from "../deliver/storm-log.ts";
import type { Emitter } from "../emit/emitter.ts";
import type { EmitTimeLimit } from "../emit/emit-time-limit.ts";
import { assertAccepted, type Publisher } from "../emit/publisher.ts";
import { isBusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";
import { safeError } from "../errors/safe-error.ts";
import { dueTimesOf } from "./due-times.ts";
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

/** Schedules that one request lists. */
const MOST_LISTED = 100;
/** Milliseconds between two looks for schedules that another process may have set. */
const LOOK_EVERY_MS = 5_000;
/** In memory no other process sets any, but the clock may be set, or the machine may have slept. */
const LOOK_IN_MEMORY_EVERY_MS = 60_000;
/** Milliseconds to the next look after one in which other processes were faster. */
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
  /** Resolves when the provider knows every subscription of this process. Undefined if it does now. */
  readonly whenDeclared: () => Promise<void> | undefined;
}

/**
 * Emits what schedules are due for. Every process does so: of those that try the same due time, one succeeds.
 */
export class Firing {
  readonly #options: FiringOptions;
  readonly #lookEveryMs: number;
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
    // Whoever sets a schedule, perhaps in a handler, is not the cause of what it emits.
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
  }

  async #look(): Promise<void> {
    let waitMs: number;
    do {
      this.#isStale = false;
      try {
        waitMs = await this.#fireDue();
      } catch (err) {
        waitMs = LOOK_EVERY_MS;
        this.#warn(err);
      }
    } while (this.#isStale && !this.#isClosed);
    this.#looking = undefined;
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.setTimeout(() => this.wake(), waitMs);
  }

  /** Fires all that is due. Resolves with the milliseconds until the next look. */
  async #fireDue(): Promise<number> {
    const { store, whenDeclared } = this.#options;
    await whenDeclared();
    for (;;) {
      const { now, schedules, nextDueAt } = await store.due(MOST_LISTED);
      if (schedules.length === 0) {
        const waitMs = nextDueAt === undefined ? this.#lookEveryMs : nextDueAt - now;
        return Math.min(Math.max(waitMs, 1), this.#lookEveryMs);
      }
      let hasWritten = false;
      for (const stored of schedules) {
        if (this.#isClosed) return 0;
        hasWritten = (await this.#fire(stored, now)) || hasWritten;
      }
      if (!hasWritten) return LOST_MS;
    }
  }

  /** Resolves with whether this process has written the schedule. */
  async #fire(stored: StoredSchedule, now: number): Promise<boolean> {
    const record = recordOf(stored);
    try {
      const { definition, anchor, nextDueAt = stored.dueAt ?? now } = record;
      const times = await dueTimesOf(definition, anchor);
      // The clock of the server may have been set back.
      if (nextDueAt > now) return false;
      const due = dueUntil(now, nextDueAt, times, definition.misfire);
      const messages = due.times.map((time) => messageOf(stored.id, definition, time));
      const results = await this.#emit(messages, stored, due, now);
      return results !== undefined;
    } catch (error) {
      if (this.#isClosed) return false;
      return this.#failed(stored, record, error, now);
    }
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

  /** Writes down that an emit has failed, and when it is tried again. */
  async #failed(
    { id, version }: StoredSchedule,
    record: ScheduleRecord,
    error: unknown,
    now: number,
  ): Promise<boolean> {
    const { storms, store } = this.#options;
    const err = safeError(error);
    const attempts = (record.failure?.attempts ?? 0) + 1;
    const retryAt = now + grownDelay(FIRST_RETRY_MS, 2, attempts - 1, LONGEST_RETRY_MS);
    const code = isBusbarError(err) ? err.code : undefined;
    const failure = { message: err.message, code, at: now, attempts, retryAt };
    const isWritten = await store.write(writeOf(id, { ...record, failure }), version);
    if (isWritten) {
      storms.write({
        level: "error",
        kind: "failed emits of schedules",
        fields: { scheduleId: id, attempts, err },
        message: `Schedule ${quoted(id)} could not emit; it is tried again in ${retryAt - now} ms`,
      });
    }
    return isWritten;
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
