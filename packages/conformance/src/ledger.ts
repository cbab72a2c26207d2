import type { Waiting } from "./waiting.ts";

/** What became of every pair of an event and a subscription. */
export interface Account {
  /** Pairs that were never handled. */
  readonly lost: number;
  /** Runs beyond the first of their pair. */
  readonly repeated: number;
}

/** Counts how often each subscription has handled each event. Events are numbered, by their data. */
export class Ledger {
  readonly #waiting: Waiting;
  readonly #runs: ReadonlyMap<string, Map<number, number>>;

  constructor({ waiting }: { readonly waiting: Waiting }, subscriptionIds: readonly string[]) {
    this.#waiting = waiting;
    this.#runs = new Map(subscriptionIds.map((id) => [id, new Map<number, number>()]));
  }

  /** A subscription has handled an event. */
  handled(subscriptionId: string, event: number): void {
    const runs = this.#runs.get(subscriptionId);
    runs?.set(event, (runs.get(event) ?? 0) + 1);
    this.#waiting.changed();
  }

  /** Accounts for the events 0 to count - 1. */
  account(count: number): Account {
    const all = [...this.#runs.values()];
    const handled = all.reduce((sum, runs) => sum + runs.size, 0);
    const times = all.flatMap((runs) => [...runs.values()]);
    return {
      lost: count * this.#runs.size - handled,
      repeated: times.reduce((sum, it) => sum + it, 0) - times.length,
    };
  }

  /** Resolves once every subscription has handled each of the events 0 to count - 1. */
  async complete(count: number): Promise<void> {
    await this.#waiting.until(
      () => `${count} events in each subscription: lost ${this.#describeLost(count)}`,
      () => [...this.#runs.values()].every((runs) => runs.size >= count),
    );
  }

  #describeLost(count: number): string {
    const lost = [...this.#runs].map(([id, runs]) => {
      const missing = Array.from({ length: count }, (_, event) => event).filter(
        (event) => !runs.has(event),
      );
      const named = missing.length > 0 ? ` (${missing.slice(0, 5).join(", ")}…)` : "";
      return `${missing.length} of "${id}"${named}`;
    });
    return lost.join(", ");
  }
}
