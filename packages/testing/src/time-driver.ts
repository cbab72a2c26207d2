import { setImmediate, setTimeout } from "node:timers";
import type { VirtualClock } from "./virtual-clock.ts";

/** Turns of the event loop in which nothing happens before it is quiet. */
const CALM_TURNS = 2;
/** Housekeeping that is further away is none that anybody waits for. */
const SOON_MS = 86_400_000;

/** What a {@link TimeDriver} needs. */
export interface TimeDriverOptions {
  readonly clock: VirtualClock;
  /** Grows with everything that happens. */
  readonly changes: () => number;
  /** Handlers that have not ended. */
  readonly running: () => number;
  /** Whether anything waits to be delivered, runs, or is being published. */
  readonly isBusy: () => Promise<boolean>;
  /** Real milliseconds to wait for handlers that wait for something real. */
  readonly ioWaitMs: number;
}

/** Moves virtual time, and lets happen in between what is ready to. */
export class TimeDriver {
  readonly #options: TimeDriverOptions;
  /** One after the other. */
  #moves: Promise<unknown> = Promise.resolve();

  constructor(options: TimeDriverOptions) {
    this.#options = options;
  }

  advance(ms: number, limitMs: number): Promise<void> {
    return this.#inTurn(async () => {
      const { clock } = this.#options;
      const until = clock.monotonic() + ms;
      const deadline = performance.now() + limitMs;
      await this.#quiet(deadline, limitMs);
      while (clock.fireNext(until)) await this.#quiet(deadline, limitMs);
      clock.moveTo(until);
    });
  }

  advanceToNext(limitMs: number): Promise<number | undefined> {
    return this.#inTurn(async () => {
      const from = this.#options.clock.monotonic();
      const deadline = performance.now() + limitMs;
      await this.#quiet(deadline, limitMs);
      const due = this.#options.clock.nextDue(true);
      if (due === undefined) return undefined;
      await this.#moveTo(due, deadline, limitMs);
      return due - from;
    });
  }

  /** Sets the wall clock alone. */
  stepWall(ms: number): void {
    this.#options.clock.stepWall(ms);
  }

  /** Moves time until nothing is left to do. False when something is left and time cannot help. */
  drain(limitMs: number): Promise<boolean> {
    return this.#inTurn(async () => {
      const deadline = performance.now() + limitMs;
      for (;;) {
        // Each step has a limit of its own: at the end of all it is known what is left.
        const limit = performance.now() + limitMs;
        await this.#quiet(limit, limitMs);
        if (!(await this.#options.isBusy())) return true;
        // Housekeeping, such as the timer of a schedule, may come for ever.
        if (performance.now() >= deadline) return false;
        const due = this.#nextStep();
        if (due !== undefined) await this.#moveTo(due, limit, limitMs);
        else await wait(1);
      }
    });
  }

  /** Moves time for as long as it takes until a promise is settled, which notifies nobody else. */
  async during<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
    let isOver = false;
    const over = (): void => void (isOver = true);
    promise.then(over, over);
    const deadline = performance.now() + limitMs;
    while (!isOver) {
      await this.#inTurn(async () => {
        await this.#quiet(deadline, limitMs);
        const due = isOver ? undefined : this.#nextStep();
        if (due !== undefined) await this.#moveTo(due, deadline, limitMs);
        else if (!isOver) await wait(1);
      });
      if (!isOver && performance.now() >= deadline) throw tooLong(what, limitMs);
    }
    return promise;
  }

  /** What a caller may wait for: what was promised, or what is due soon. */
  #nextStep(): number | undefined {
    const { clock } = this.#options;
    const promised = clock.nextDue(true);
    if (promised !== undefined) return promised;
    const any = clock.nextDue(false);
    return any !== undefined && any - clock.monotonic() <= SOON_MS ? any : undefined;
  }

  async #moveTo(time: number, deadline: number, limitMs: number): Promise<void> {
    const { clock } = this.#options;
    while (clock.fireNext(time)) await this.#quiet(deadline, limitMs);
    clock.moveTo(time);
  }

  /** Waits until nothing happens any more without time moving on. */
  async #quiet(deadline: number, limitMs: number): Promise<void> {
    const { changes, running, ioWaitMs } = this.#options;
    let seen = changes();
    let calm = 0;
    let calmSince = performance.now();
    while (calm < CALM_TURNS || (running() > 0 && performance.now() - calmSince < ioWaitMs)) {
      await (calm < CALM_TURNS ? turn() : wait(1));
      if (changes() === seen) {
        calm += 1;
        continue;
      }
      seen = changes();
      calm = 0;
      calmSince = performance.now();
      if (calmSince > deadline) throw tooLong("Something goes on without end", limitMs);
    }
  }

  #inTurn<T>(move: () => Promise<T>): Promise<T> {
    const moved = this.#moves.then(move);
    this.#moves = moved.catch(() => undefined);
    return moved;
  }
}

function tooLong(what: string, limitMs: number): Error {
  return new Error(`${what}: not over after ${limitMs} ms of real time (timeoutMs)`);
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
