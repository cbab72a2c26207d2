import type { DeliveryContext, Event, EventBus, Subscriber } from "@busbar/core";
import type { CaseContext } from "./case-context.ts";
import type { Waiting } from "./waiting.ts";

/** One run of a subscriber. */
export interface Run {
  readonly event: Event;
  readonly attempt: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What the subscribers of a bus case were called with. */
export class RunRecorder {
  readonly runs: Run[] = [];
  readonly #waiting: Waiting;

  constructor({ waiting }: { readonly waiting: Waiting }) {
    this.#waiting = waiting;
  }

  /** A subscriber that writes its runs down, and then does what the case says. */
  subscriber(work?: (event: Event, context: DeliveryContext) => void | Promise<void>): Subscriber {
    return (event, context) => {
      this.runs.push({ event, attempt: context.attempt, at: performance.now() });
      this.#waiting.changed();
      return work?.(event, context);
    };
  }

  /** Data of the events, in the order of the runs. */
  get data(): readonly unknown[] {
    return this.runs.map(({ event }) => event.data);
  }

  /** Resolves after that many runs. */
  async ran(count: number): Promise<void> {
    await this.#waiting.until(
      () => `${count} runs of a subscriber (there were ${this.runs.length})`,
      () => this.runs.length >= count,
    );
  }
}

/** Milliseconds within which a bus that has little to do is settled. */
export function settledMs(context: CaseContext): number {
  return context.ms(8_000) + 2 * context.numbers.lagMs;
}

/** Resolves once nothing that the bus emitted is on its way. */
export async function settled(context: CaseContext, bus: EventBus): Promise<void> {
  await context.waiting.for("settled", bus.settled({ timeoutMs: settledMs(context) }));
}
