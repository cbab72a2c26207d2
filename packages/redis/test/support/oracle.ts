import { type EventBus, isBusbarError } from "@busbar/core";
import type { TestProcess } from "./process.ts";

/** What became of every pair of an event and a subscription. */
export interface Verdict {
  readonly events: number;
  /** Pairs that were never handled. */
  readonly lost: number;
  /** Runs of handlers beyond the first of a pair. */
  readonly repeated: number;
  /** Emits that were rejected and done again under the same id: they may repeat an event. */
  readonly emittedAgain: number;
}

/** Knows what was emitted, and counts what was handled. */
export class Oracle {
  readonly #accepted = new Set<string>();
  #emittedAgain = 0;

  /** Emits events, each until it is accepted, from so many callers at a time. */
  async emit(
    bus: EventBus,
    options: { readonly name: string; readonly events: number; readonly emitters: number },
    onAccepted: (count: number) => void = () => {},
  ): Promise<void> {
    let next = 0;
    const emitter = async (): Promise<void> => {
      while (next < options.events) {
        const id = `event-${next}`;
        const data = { number: next };
        next += 1;
        await this.#emitOne(bus, { id, name: options.name, data });
        onAccepted(this.#accepted.size);
      }
    };
    await Promise.all(Array.from({ length: options.emitters }, emitter));
  }

  async #emitOne(
    bus: EventBus,
    message: { readonly id: string; readonly name: string; readonly data: unknown },
  ): Promise<void> {
    for (;;) {
      try {
        await bus.emit(message);
        this.#accepted.add(message.id);
        return;
      } catch (error) {
        if (!isBusbarError(error)) throw error;
        this.#emittedAgain += 1;
      }
    }
  }

  /** Counts an event that somebody else has emitted. */
  expect(id: string): void {
    this.#accepted.add(id);
  }

  /** Compares with the lines `["handled", subscription, event]` of processes. */
  verdict(processes: readonly TestProcess[], subscriptions: readonly string[]): Verdict {
    const runs = new Map<string, number>();
    for (const { lines } of processes) {
      for (const [word, subscription, event] of lines) {
        if (word !== "handled") continue;
        const pair = `${String(subscription)} ${String(event)}`;
        runs.set(pair, (runs.get(pair) ?? 0) + 1);
      }
    }
    let lost = 0;
    for (const id of this.#accepted) {
      for (const subscription of subscriptions) if (!runs.has(`${subscription} ${id}`)) lost += 1;
    }
    let repeated = 0;
    for (const count of runs.values()) repeated += count - 1;
    return { events: this.#accepted.size, lost, repeated, emittedAgain: this.#emittedAgain };
  }
}
