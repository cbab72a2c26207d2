import type { PluginContext } from "@busbar/core/plugin";
import { type JsonObject, systemClock, type Timer } from "@busbar/core/provider";
import { addDuration, createHistogram, type Histogram, toPairs } from "./histogram.ts";

/** Milliseconds in a slot, and the slots that are kept: numbers are of the last 5 minutes. */
const SLOT_MS = 60_000;
const SLOTS = 5;

/** The runs of one subscription within a slot. */
interface Slot {
  delivered: number;
  failed: number;
  readonly durations: Histogram;
}

/** The runs of one subscription in this process. */
interface Recorded {
  /** Since the start. */
  delivered: number;
  failed: number;
  dead: number;
  /** The newest slot first. */
  slots: Slot[];
}

/** What a process reports of the runs of one subscription. */
export interface ReportedRuns extends JsonObject {
  readonly subscriberId: string;
  readonly delivered: number;
  readonly failed: number;
  readonly dead: number;
  /** Of the last {@link RunReport.windowMs} milliseconds. */
  readonly recent: {
    readonly delivered: number;
    readonly failed: number;
    /** Pairs of a bucket and a count. */
    readonly durations: readonly number[];
  };
}

/** What a process reports of its runs. */
export interface RunReport extends JsonObject {
  /** The milliseconds that `recent` is about. */
  readonly windowMs: number;
  readonly runs: readonly ReportedRuns[];
}

/** Counts the runs of this process, and how long they take, by what the bus notices. */
export class RunRecorder {
  readonly #recorded = new Map<string, Recorded>();
  #timer: Timer | undefined;
  #stopListening: readonly (() => void)[] = [];
  /** When the newest slot began, and how many slots are older. */
  #slotBeganAt = 0;
  #older = 0;

  start(on: PluginContext["on"]): void {
    this.#stopListening = [
      on("delivered", ({ subscriberId, durationMs }) => {
        const recorded = this.#of(subscriberId);
        const slot = recorded.slots[0]!;
        recorded.delivered += 1;
        slot.delivered += 1;
        if (durationMs !== undefined) addDuration(slot.durations, durationMs);
      }),
      on("failed", ({ subscriberId, durationMs }) => {
        const recorded = this.#of(subscriberId);
        const slot = recorded.slots[0]!;
        recorded.failed += 1;
        slot.failed += 1;
        if (durationMs !== undefined) addDuration(slot.durations, durationMs);
      }),
      on("dead", ({ subscriberId }) => void (this.#of(subscriberId).dead += 1)),
    ];
    this.#slotBeganAt = systemClock.monotonic();
    this.#rotateLater();
  }

  stop(): void {
    this.#timer?.cancel();
    for (const stop of this.#stopListening) stop();
  }

  report(): RunReport {
    const windowMs = systemClock.monotonic() - this.#slotBeganAt + this.#older * SLOT_MS;
    const runs = Array.from(this.#recorded, ([subscriberId, it]): ReportedRuns => {
      const durations = createHistogram();
      for (const slot of it.slots) {
        slot.durations.forEach((count, bucket) => (durations[bucket]! += count));
      }
      return {
        subscriberId,
        delivered: it.delivered,
        failed: it.failed,
        dead: it.dead,
        recent: {
          delivered: it.slots.reduce((sum, slot) => sum + slot.delivered, 0),
          failed: it.slots.reduce((sum, slot) => sum + slot.failed, 0),
          durations: toPairs(durations),
        },
      };
    });
    return { windowMs: Math.max(1, Math.round(windowMs)), runs };
  }

  #of(subscriberId: string): Recorded {
    const known = this.#recorded.get(subscriberId);
    if (known) return known;
    const recorded = { delivered: 0, failed: 0, dead: 0, slots: [createSlot()] };
    this.#recorded.set(subscriberId, recorded);
    return recorded;
  }

  #rotateLater(): void {
    this.#timer = systemClock.setTimeout(() => {
      this.#slotBeganAt = systemClock.monotonic();
      this.#older = Math.min(this.#older + 1, SLOTS - 1);
      for (const recorded of this.#recorded.values()) {
        recorded.slots = [createSlot(), ...recorded.slots.slice(0, SLOTS - 1)];
      }
      this.#rotateLater();
    }, SLOT_MS);
  }
}

function createSlot(): Slot {
  return { delivered: 0, failed: 0, durations: createHistogram() };
}
