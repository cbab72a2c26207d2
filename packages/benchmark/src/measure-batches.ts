import { setImmediate } from "node:timers/promises";
import type { Budget, Sample } from "./question.ts";

/** Counts handlers that ran, and tells when the last one of a batch has. */
export class HandlerCount {
  #left = 0;
  #done: () => void = () => {};

  /** A promise for that many runs from now on. */
  expect(runs: number): Promise<void> {
    this.#left = runs;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  /** A subscriber that does nothing else: a function of its own at each call. */
  readonly createHandler = (): (() => Promise<void>) => {
    return async () => {
      if (--this.#left === 0) this.#done();
    };
  };
}

/** What is done again and again. */
export interface Batch {
  /** What the batch counts as: a number is for one of these. */
  readonly size: number;
  /** Runs of handlers that the batch causes. */
  readonly handlerRuns: number;
  /** Resolves when the callers have their answers; handlers may still run. */
  readonly run: () => Promise<void>;
}

/** The two metrics of {@link measureBatches}. */
export const ACCEPTED = "accepted";
export const HANDLED = "handled";

/**
 * Runs batches until the time is over and divides it by what they did. `accepted` is the time in
 * which the callers waited; `handled` is all of it: until the last handler ran, and the event loop
 * turned once more. Garbage collection is included in both.
 */
export async function measureBatches(
  batch: Batch,
  count: HandlerCount,
  { warmUpMs, measureMs }: Budget,
): Promise<Sample> {
  await runFor(warmUpMs, batch, count);
  const { accepted, handled, batches } = await runFor(measureMs, batch, count);
  const perOne = 1_000_000 / (batches * batch.size);
  return { [ACCEPTED]: accepted * perOne, [HANDLED]: handled * perOne };
}

async function runFor(durationMs: number, batch: Batch, count: HandlerCount) {
  let accepted = 0;
  let handled = 0;
  let batches = 0;
  do {
    const done = count.expect(batch.handlerRuns);
    const start = performance.now();
    await batch.run();
    accepted += performance.now() - start;
    await done;
    await setImmediate();
    handled += performance.now() - start;
    batches += 1;
  } while (handled < durationMs);
  return { accepted, handled, batches };
}
