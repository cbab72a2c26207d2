/** A number, or the first and the last of several in a row. */
export type Range = number | readonly [first: number, last: number];

/** Some events of a pack of a body: the pack's number, how many events, and which, if not all of them. */
export type PackReference = readonly [pack: number, events: number, which?: readonly Range[]];

/** The part of a job's data that stands for events which are stored once for several jobs. */
export interface BodyReference {
  /** The id of the body. */
  readonly body: string;
  readonly packs: readonly PackReference[];
  /** When the oldest event was published, or before: milliseconds since the epoch. */
  readonly oldestAt: number;
}

/** The most events that a job may have. */
const MOST_EVENTS = 100_000;

/** Whether a value from Redis is a range of positions. */
export function isRange(value: unknown): value is Range {
  const [first, last]: readonly unknown[] = Array.isArray(value) ? value : [value, value];
  return isPosition(first) && isPosition(last);
}

function isPosition(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < MOST_EVENTS;
}

/** Whether what was read from Redis refers to packs of a body. */
export function isReference(value: Partial<BodyReference>): value is BodyReference {
  const { body, packs, oldestAt } = value;
  if (typeof body !== "string" || typeof oldestAt !== "number") return false;
  return Array.isArray(packs) && packs.length > 0 && packs.every(isPackReference);
}

function isPackReference(value: unknown): value is PackReference {
  if (!Array.isArray(value)) return false;
  const [pack, events, which] = value as readonly unknown[];
  if (!isPosition(pack) || !isPosition(events) || events === 0) return false;
  if (which === undefined) return true;
  if (!Array.isArray(which) || !which.every(isRange)) return false;
  return [...numbersIn(which)].length === events;
}

/** All numbers of some ranges. */
export function* numbersIn(ranges: readonly Range[]): Generator<number> {
  for (const range of ranges) {
    const [first, last] = typeof range === "number" ? [range, range] : range;
    for (let at = first; at <= last; at += 1) yield at;
  }
}

/** Numbers, which ascend, as few ranges. */
export function rangesOf(numbers: readonly number[]): readonly Range[] {
  const ranges: Range[] = [];
  for (let at = 0; at < numbers.length; at += 1) {
    const first = numbers[at] as number;
    let last = first;
    while (numbers[at + 1] === last + 1) {
      last += 1;
      at += 1;
    }
    ranges.push(first === last ? first : [first, last]);
  }
  return ranges;
}

/** Those of a reference's events, told by their positions in it, which ascend. */
export function partOf(
  { body, packs, oldestAt }: BodyReference,
  positions: readonly number[],
): BodyReference {
  const parts: PackReference[] = [];
  let from = 0;
  let next = 0;
  for (const [pack, events, which] of packs) {
    const start = next;
    while (next < positions.length && (positions[next] as number) < from + events) next += 1;
    const taken = positions.slice(start, next).map((position) => position - from);
    if (taken.length === events) {
      parts.push(which ? [pack, events, which] : [pack, events]);
    } else if (taken.length > 0) {
      const numbers = which && [...numbersIn(which)];
      const kept = numbers ? taken.map((at) => numbers[at] as number) : taken;
      parts.push([pack, taken.length, rangesOf(kept)]);
    }
    from += events;
  }
  return { body, packs: parts, oldestAt };
}

/** How many events a reference stands for. */
export function eventsReferredTo({ packs }: Pick<BodyReference, "packs">): number {
  let count = 0;
  for (const [, events] of packs) count += events;
  return count;
}
