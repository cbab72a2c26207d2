import { type EventBus, isBusbarError } from "@busbar/core";
import { eventually } from "./eventually.ts";

/** An event that the bus has accepted, and when the emit that was accepted began. */
export interface Accepted {
  readonly id: string;
  readonly begunAt: number;
}

/** Emits from some callers at a time, each event under its own id until it is accepted. */
export class Load {
  readonly accepted: Accepted[] = [];
  /** Emits that were rejected, and done again. */
  rejected = 0;
  /** The longest that an emit took, accepted or not, in milliseconds. */
  slowestMs = 0;
  readonly #bus: EventBus;
  readonly #name: string;
  #count = 0;
  #emitters: Promise<void>[] = [];
  #isOver = false;

  constructor(bus: EventBus, name: string) {
    this.#bus = bus;
    this.#name = name;
  }

  start(emitters = 5): void {
    this.#isOver = false;
    this.#emitters = Array.from({ length: emitters }, async () => {
      while (!this.#isOver) await this.#emit(`event-${(this.#count += 1)}`);
    });
    // Who stops the load hears of it.
    for (const emitter of this.#emitters) emitter.catch(() => {});
  }

  /** Resolves when every event that was begun has been accepted. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#emitters);
  }

  /** Resolves when so many more have been accepted. */
  async more(count: number): Promise<void> {
    const goal = this.accepted.length + count;
    await eventually(() => {
      if (this.accepted.length < goal) throw new Error(`${this.accepted.length} of ${goal} emits`);
    }, 15_000);
  }

  async #emit(id: string): Promise<void> {
    for (;;) {
      const begunAt = performance.now();
      try {
        await this.#bus.emit({ id, name: this.#name, data: null });
        this.accepted.push({ id, begunAt });
        return;
      } catch (error) {
        // After a test has failed the bus is stopped, and no emit will ever be accepted.
        if (!isBusbarError(error) || error.code === "BUSBAR_NOT_RUNNING") throw error;
        this.rejected += 1;
      } finally {
        this.slowestMs = Math.max(this.slowestMs, performance.now() - begunAt);
      }
    }
  }
}
