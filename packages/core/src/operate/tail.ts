import type { InstanceBoard } from "../contract/board.ts";
import type { Clock } from "../contract/clock.ts";
import type { JsonObject } from "../contract/json.ts";
import type { Logger } from "../contract/logger.ts";
import { type ShownEntry, type TailEntry, tailedEvent } from "./tail-entries.ts";
import { MOST_ENTRIES, type TailFeed } from "./tail-feed.ts";

/** Milliseconds between two looks at the board. */
const LOOK_EVERY_MS = 250;
/** Entries that are read in one look. */
const LOOK_LIMIT = 200;
/** Milliseconds before a board that could not be read is read again. */
const LOOK_AGAIN_MS = 1_000;
/** Milliseconds for which instances go on after the last look of anybody. */
const WATCH_TTL_MS = 15_000;
const WATCH_EVERY_MS = 5_000;
/** Milliseconds after which a tail in this process that nobody reads holds nothing any more. */
const ABANDONED_AFTER_MS = 15_000;

/** What a tail needs. */
export interface TailOptions {
  readonly feed: TailFeed;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the tail. */
  readonly signal: AbortSignal;
}

/** Reads what instances of all processes show on a board. Holds nothing that has not been asked for. */
export async function* tailOfBoard(
  board: InstanceBoard,
  { feed, clock, logger, signal }: TailOptions,
): AsyncGenerator<TailEntry, void, undefined> {
  const gaps = new Gaps();
  let cursor: string | undefined;
  let watchedAt = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    let entries: readonly JsonObject[] = [];
    let waitMs = LOOK_EVERY_MS;
    try {
      if (clock.monotonic() - watchedAt >= WATCH_EVERY_MS) {
        await unlessAborted(() => board.watch({ ttlMs: WATCH_TTL_MS }), signal);
        watchedAt = clock.monotonic();
      }
      const read = () => board.read(cursor, { limit: LOOK_LIMIT });
      const found = await unlessAborted(read, signal);
      if (!found) return;
      ({ entries, cursor } = found);
      // Others learn with their next report that somebody watches; this one at once, and from where the reader begins.
      feed.showOn(board);
    } catch (err) {
      logger.debug({ err }, "The tail could not be read; it is tried again");
      waitMs = LOOK_AGAIN_MS;
    }
    for (const entry of entries) yield* gaps.with(entry);
    if (entries.length < LOOK_LIMIT) await pause(clock, waitMs, signal);
  }
}

/** Reads what happens in this process. Keeps at most 1 000 entries that have not been asked for. */
export async function* tailOfProcess({
  feed,
  clock,
  signal,
}: TailOptions): AsyncGenerator<TailEntry, void, undefined> {
  const gaps = new Gaps();
  const waiting: ShownEntry[] = [];
  let readAt = clock.monotonic();
  let wake: (() => void) | undefined;
  let remove: (() => void) | undefined;
  const onAbort = (): void => {
    remove?.();
    wake?.();
  };
  const take = (entry: ShownEntry): void => {
    const isAbandoned = !wake && clock.monotonic() - readAt > ABANDONED_AFTER_MS;
    if (isAbandoned) remove?.();
    else if (waiting.length < MOST_ENTRIES) waiting.push(entry);
    wake?.();
  };
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      remove = feed.add(take);
      readAt = clock.monotonic();
      const entry = waiting.shift();
      if (entry) {
        yield* gaps.with(entry);
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = undefined;
    }
    // What happened before the end is shown.
    for (const entry of waiting) yield* gaps.with(entry);
  } finally {
    signal.removeEventListener("abort", onAbort);
    remove?.();
  }
}

/** Finds by their numbers which entries of an instance are missing. */
class Gaps {
  readonly #last = new Map<string, number>();

  *with(entry: JsonObject): Generator<TailEntry, void, undefined> {
    const { instanceId, seq } = entry as ShownEntry;
    const event = tailedEvent(entry);
    if (!event || typeof seq !== "number") return;
    const missing = seq - (this.#last.get(instanceId) ?? seq - 1) - 1;
    this.#last.set(instanceId, seq);
    if (missing > 0) yield { type: "dropped", count: missing };
    yield event;
  }
}

/** Resolves with what a look at the board finds, or with undefined as soon as the signal is aborted. */
function unlessAborted<T>(look: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve(undefined);
    const abort = (): void => resolve(undefined);
    signal.addEventListener("abort", abort);
    look()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    // Whoever reads a tail waits for what comes next.
    const timer = clock.setTimeout(end, ms, { keepAlive: true });
    signal.addEventListener("abort", end);
  });
}
