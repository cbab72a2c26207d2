import type { Clock, Timer } from "@busbar/core/provider";
import type { JobProgress } from "../store/job-data.ts";

/** The longest that Node's own timers count. */
const LONGEST_MS = 2 ** 31 - 1;

/** A delivery that may have ended a process. */
export interface Suspect {
  /** In how many crashes it had run for so long that others had been let start beside it. */
  readonly trusted: number;
  /** Its turn has come. `isAlone`: no other runs, and none starts before this one has ended or is trusted. */
  start(isAlone: boolean): void;
  /** It has run for long, and another waits: writes down that a crash is not its own from now on. */
  trust(): Promise<void>;
}

/** Milliseconds. */
export interface SuspectTimes {
  /** For how long a suspect runs alone at first. Ten times as long after each crash that found it trusted. */
  readonly aloneMs: number;
  /** Within which all that a crash has left is found: those that are trusted more wait as much longer. */
  readonly yieldMs: number;
}

/**
 * Lets suspects start one at a time in this process: when it dies while one runs alone, it is known of
 * which. One that is slow must not hold up the others for ever, so they start beside it after a while,
 * and then a crash counts for nobody. It makes the while longer, and the slow one comes last.
 */
export class Suspects {
  readonly #clock: Clock;
  readonly #times: SuspectTimes;
  /** Let others that a crash has left go first. */
  readonly #yielding = new Map<Suspect, Timer>();
  /** The least trusted first. */
  readonly #waiting: Suspect[] = [];
  /** Run, and are trusted. */
  readonly #trusted = new Set<Suspect>();
  /** The latest that has started, until it is trusted. */
  #latest: Suspect | undefined;
  #hasRunForLong = false;
  #isTrusting = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, times: SuspectTimes) {
    this.#clock = clock;
    this.#times = times;
  }

  /** Starts it, perhaps at once, when it is its turn. */
  enter(suspect: Suspect): void {
    if (suspect.trusted === 0) {
      this.#wait(suspect);
      return;
    }
    const timer = this.#clock.setTimeout(() => {
      this.#yielding.delete(suspect);
      this.#wait(suspect);
    }, this.#times.yieldMs * suspect.trusted);
    this.#yielding.set(suspect, timer);
  }

  /** It has ended, or will not start any more. */
  leave(suspect: Suspect): void {
    this.#yielding.get(suspect)?.cancel();
    this.#yielding.delete(suspect);
    this.#trusted.delete(suspect);
    const index = this.#waiting.indexOf(suspect);
    if (index !== -1) this.#waiting.splice(index, 1);
    if (this.#latest !== suspect) return;
    this.#timer?.cancel();
    this.#latest = undefined;
    this.#next();
  }

  #wait(suspect: Suspect): void {
    const behind = this.#waiting.findIndex(({ trusted }) => trusted > suspect.trusted);
    this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, suspect);
    this.#next();
  }

  #next(): void {
    if (this.#latest) {
      if (this.#hasRunForLong && this.#waiting.length > 0) void this.#trustLatest(this.#latest);
      return;
    }
    const next = this.#waiting.shift();
    if (!next) return;
    this.#latest = next;
    this.#hasRunForLong = false;
    const aloneMs = Math.min(this.#times.aloneMs * 10 ** next.trusted, LONGEST_MS);
    this.#timer = this.#clock.setTimeout(() => {
      this.#hasRunForLong = true;
      this.#next();
    }, aloneMs);
    next.start(this.#trusted.size === 0);
  }

  async #trustLatest(suspect: Suspect): Promise<void> {
    if (this.#isTrusting) return;
    this.#isTrusting = true;
    await suspect.trust();
    this.#isTrusting = false;
    if (this.#latest === suspect) {
      this.#trusted.add(suspect);
      this.#latest = undefined;
    }
    this.#next();
  }
}

/** What is known of a suspect's crashes, and what is done when its turn has come. */
export interface SuspectRunOptions {
  readonly suspects: Suspects;
  /** Its crashes, as far as they stand in its job's progress. */
  readonly handovers: number;
  readonly trusted: number;
  /** Replaces its job's progress, unless the job is not ours any more. */
  readonly write: (progress: JobProgress) => Promise<unknown>;
  readonly start: () => void;
}

/**
 * The run of a suspect, which waits for its turn. Whether it runs alone is written down before it
 * starts: whoever finds it after a crash counts that, and not what ran beside others.
 */
export class SuspectRun implements Suspect {
  readonly trusted: number;
  readonly #options: SuspectRunOptions;
  #isWaiting = true;

  constructor(options: SuspectRunOptions) {
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
