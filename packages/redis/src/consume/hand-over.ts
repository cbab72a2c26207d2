import type { JobProgress } from "./job-data.ts";
import type { Suspect, Suspects } from "./suspects.ts";

/** What is known of a suspect's crashes, and what is done when its turn has come. */
export interface HandOverOptions {
  readonly suspects: Suspects;
  /** Its crashes, as far as they stand in its job's progress. */
  readonly handovers: number;
  readonly trusted: number;
  /** Replaces its job's progress, unless the job is not ours any more. */
  readonly write: (progress: JobProgress) => Promise<unknown>;
  readonly start: () => void;
}

/**
 * The hand-over of a suspect, which waits for its turn. Whether it runs alone is written down before it
 * starts: whoever finds it after a crash counts that, and not what ran beside others.
 */
export class HandOver implements Suspect {
  readonly trusted: number;
  readonly #options: HandOverOptions;
  #isWaiting = true;

  constructor(options: HandOverOptions) {
    this.trusted = options.trusted;
    this.#options = options;
  }

  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Its turn may come at once. */
  enter(): void {
    this.#options.suspects.enter(this);
  }

  /** It has ended, or is not to start any more. */
  leave(): void {
    this.#isWaiting = false;
    this.#options.suspects.leave(this);
  }

  start(isAlone: boolean): void {
    const { write, handovers } = this.#options;
    const counted = isAlone ? handovers + 1 : handovers;
    void write({ handovers: counted, trusted: this.trusted }).then(() => this.#begin());
  }

  async trust(): Promise<void> {
    const { write, handovers } = this.#options;
    await write({ handovers, trusted: this.trusted + 1 });
  }

  #begin(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#options.start();
  }
}
