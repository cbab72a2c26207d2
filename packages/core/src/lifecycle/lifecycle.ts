import type { MessagePort } from "node:worker_threads";

import { detached } from "../causality/causality.ts";
import { BusbarError } from "../errors/errors.ts";
import type { BusState } from "../admin/inspection.ts";

/** What {@link Lifecycle} does at either end. */
export interface LifecycleSteps {
  start(): Promise<void>;
  stop(graceMs: number): Promise<void>;
  /** Closes what was opened before `start`. */
  discard(): Promise<void>;
  /**
   * Resolves when `promise` settles, or when that many milliseconds have passed, with how many of them are
   * left.
   */
  waitFor(promise: Promise<unknown>, limitMs: number): Promise<number>;
}

/** Takes a bus from new to stopped, once. */
export class Lifecycle {
  readonly #steps: LifecycleSteps;
  /** From the beginning of `start` to the end of `stop`. */
  readonly #hold = new ProcessHold();
  /** Written here only. */
  state: BusState = "new";
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(steps: LifecycleSteps) {
    this.#steps = steps;
  }

  start(): Promise<void> {
    if (this.#stopping) {
      return Promise.reject(
        new TypeError("A bus that was stopped cannot start again; make another"),
      );
    }
    this.#starting ??= this.#start();
    return this.#starting;
  }

  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  /**
   * Passes while the bus may be used for `method`.
   *
   * @param whileEnding Whether it may be, too, while the bus starts or stops: from its own handlers.
   * @throws TypeError before start, and BusbarError `BUSBAR_NOT_RUNNING` after stop.
   */
  assertRunning(method: string, whileEnding: boolean): void {
    if (this.state === "running") return;
    const isEnding = this.state === "starting" || this.state === "stopping";
    if (whileEnding && isEnding) return;
    if (this.state === "new" || this.state === "starting") {
      throw new TypeError(`Call start() and wait for it before ${method}()`);
    }
    throw new BusbarError("BUSBAR_NOT_RUNNING", `Cannot ${method}: the bus has stopped`, {
      method,
    });
  }

  async #start(): Promise<void> {
    this.state = "starting";
    this.#hold.take();
    try {
      // Whoever starts the bus, perhaps within a request, must not be found in all that it ever does.
      await detached(() => this.#steps.start());
    } catch (error) {
      this.state = "stopped";
      this.#hold.release();
      throw error;
    }
    // It may have been stopped meanwhile.
    if (this.state === "starting") this.state = "running";
  }

  async #stop(graceMs: number): Promise<void> {
    if (this.state === "running") this.state = "stopping";
    const steps = this.#steps;
    // A start that hangs must not keep the process from ending.
    const leftMs = this.#starting ? await steps.waitFor(this.#starting, graceMs) : graceMs;
    const before = this.state;
    if (before === "stopped") return;
    this.state = "stopping";
    try {
      await (before === "new" ? steps.discard() : steps.stop(leftMs));
    } finally {
      this.state = "stopped";
      this.#hold.release();
    }
  }
}

/**
 * Keeps the process alive: a provider in memory, or one whose connections are lost for the moment, has
 * nothing open that does. Not a timer, which tests may fake, and may run until none is left.
 */
class ProcessHold {
  #port: MessagePort | undefined;

  take(): void {
    this.#port ??= new MessageChannel().port1;
    this.#port.ref();
  }

  /** Lets the process end. Safe to call twice, and before `take`. */
  release(): void {
    this.#port?.close();
    this.#port = undefined;
  }
}
