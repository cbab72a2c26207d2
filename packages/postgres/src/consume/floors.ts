import type { Clock } from "@busbar/core/provider";

/** Milliseconds by which a floor is behind what was claimed: publishes at the same time commit in any order. */
const BEHIND_MS = 1_000;
/** How many times as long as a look at the whole queue takes until the next one, at least. */
const REST = 20;
/** Priorities that have floors at most. With more, every claim looks at the whole queue. */
const MOST_PRIORITIES = 20;
/** Beyond every priority. */
const LAST_PRIORITY = 2_147_483_647;

/** A part of a queue, in the order of its priorities and positions. */
interface Range {
  readonly position: number;
  /** It begins after this priority and place. */
  readonly low: number;
  readonly after: number;
  /** It ends with this priority. */
  readonly high: number;
}

/** Where a claim begins to look. */
export interface Floors {
  /** The parts of the queue for the next claim to look at, as a JSON array, and whether they are all of it. */
  next(): { readonly ranges: string; readonly isWhole: boolean };
  /** A claim has brought this. */
  claimed(priority: number, position: number): void;
  /** A look at the whole queue has taken so long. */
  looked(tookMs: number): void;
  /** Something is back in its old place: the next claim looks at the whole queue. */
  lookAtAll(): void;
}

/**
 * Makes the floors of a consumer. While a transaction stays open somewhere, the indexes keep all that was claimed since. A
 * claim from the start would read all of it. So a claim begins where the claims of a second ago ended. Now and
 * then it looks at the whole queue, for what is back, and for what a late commit has put there.
 *
 * @param everyMs Milliseconds between two looks at the whole queue.
 */
export function createFloors(clock: Pick<Clock, "monotonic">, everyMs: number): Floors {
  /** The last place of each priority: a while ago, after that, and now. */
  let floors = new Map<number, number>();
  let recent = new Map<number, number>();
  const present = new Map<number, number>();
  let movedAt = clock.monotonic();
  let wholeAt = Number.NEGATIVE_INFINITY;

  function move(): void {
    if (clock.monotonic() - movedAt < BEHIND_MS) return;
    movedAt = clock.monotonic();
    floors = recent;
    recent = new Map(present);
  }

  return {
    next() {
      move();
      const isWhole = clock.monotonic() >= wholeAt || present.size > MOST_PRIORITIES;
      return { ranges: JSON.stringify(rangesOf(isWhole ? [] : [...floors])), isWhole };
    },

    claimed(priority, position) {
      present.set(priority, Math.max(position, present.get(priority) ?? 0));
    },

    looked(tookMs) {
      wholeAt = clock.monotonic() + Math.max(everyMs, REST * tookMs);
    },

    lookAtAll() {
      wholeAt = Number.NEGATIVE_INFINITY;
    },
  };
}

function rangesOf(
  floors: readonly (readonly [priority: number, place: number])[],
): readonly Range[] {
  const starts = [[-1, 0] as const, ...floors.toSorted(([one], [other]) => one - other)];
  return starts.map(([low, after], position) => {
    const next = starts[position + 1]?.[0];
    return { position, low, after, high: next === undefined ? LAST_PRIORITY : next - 1 };
  });
}
