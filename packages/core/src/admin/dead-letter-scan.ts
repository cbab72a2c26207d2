import type { DeadDelivery, Page, ProviderAdmin } from "../contract/provider.ts";

/** How many dead letters one step of a search, a replay or a discard takes at most. */
export const STEP_SIZE = 100;

/** A dead letter, and the subscription that it belongs to. */
export interface FoundLetter {
  readonly subscriberId: string;
  readonly letter: DeadDelivery;
}

/** Where a page over several subscriptions begins: the cursor of the page before. */
type Place = readonly [subscriberId?: string, cursor?: string];

/** How far a replay or a discard of many dead letters has come. */
export interface DeadLetterProgress {
  /** How many dead letters the subscriptions had at the start: as many are looked at. */
  readonly total: number;
  /** How many dead letters were looked at. */
  readonly looked: number;
  /** How many of these match the filter. */
  readonly matched: number;
  /** How many of these were replayed or discarded. Less than `matched` if another process was faster. */
  readonly done: number;
}

/** How to go through dead letters. */
export interface ScanOptions {
  readonly matches: (letter: DeadDelivery) => boolean;
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/** How to search a page of dead letters. */
export interface SearchOptions extends ScanOptions {
  readonly cursor: string | undefined;
  /** Whether the search has taken as long as it may. */
  readonly isLate: () => boolean;
}

/**
 * Searches the dead letters of some subscriptions for those that match, from a cursor on, until the page is full, or
 * it is late. The page may hold fewer than `limit`, and none, though there are more.
 */
export async function searchLetters(
  admin: ProviderAdmin,
  subscriberIds: readonly string[],
  { matches, limit, cursor, isLate, signal }: SearchOptions,
): Promise<Page<FoundLetter> & { readonly looked: number }> {
  const [from, inner] = readPlace(cursor);
  const items: FoundLetter[] = [];
  let looked = 0;
  for (const subscriberId of subscriberIds) {
    if (from !== undefined && subscriberId < from) continue;
    let next = subscriberId === from ? inner : undefined;
    do {
      signal?.throwIfAborted();
      if (items.length === limit || (looked > 0 && isLate())) {
        return { items, looked, cursor: writePlace(subscriberId, next) };
      }
      const room = limit - items.length;
      const step = await takeStep(admin, subscriberId, { matches, room, cursor: next });
      for (const letter of step.matching) items.push({ subscriberId, letter });
      looked += step.looked;
      next = step.cursor;
    } while (next !== undefined);
  }
  return { items, looked };
}

/** Looks at the next letters, and at as few of them as it takes to find no more than there is room for. */
async function takeStep(
  admin: ProviderAdmin,
  subscriberId: string,
  { matches, room, cursor }: Pick<SearchOptions, "matches" | "cursor"> & { readonly room: number },
): Promise<{
  readonly matching: readonly DeadDelivery[];
  readonly looked: number;
  readonly cursor?: string | undefined;
}> {
  let limit = STEP_SIZE;
  for (;;) {
    const page = await admin.listDead(subscriberId, { limit, cursor });
    const matching = page.items.filter(matches);
    if (matching.length <= room)
      return { matching, looked: page.items.length, cursor: page.cursor };
    // A cursor is at the end of a page only: the page is read again, to end behind the last that has room.
    limit = page.items.indexOf(matching[room - 1] as DeadDelivery) + 1;
  }
}

/** What to do with many dead letters. */
export interface BulkOptions extends ScanOptions {
  readonly onProgress?: ((progress: DeadLetterProgress) => void) | undefined;
  /** Replays or discards some letters of a subscription. Resolves with how many it was. */
  readonly act: (subscriberId: string, letters: readonly DeadDelivery[]) => Promise<number>;
}

/**
 * Goes once through the dead letters that subscriptions have at the start, step by step, and does something with those
 * that match. What dies again meanwhile comes last, behind as many letters as there were, and is left alone.
 *
 * @param totals How many dead letters each subscription has.
 */
export async function actOnLetters(
  admin: ProviderAdmin,
  totals: ReadonlyMap<string, number>,
  { matches, limit, signal, onProgress, act }: BulkOptions,
): Promise<DeadLetterProgress> {
  const total = [...totals.values()].reduce((sum, count) => sum + count, 0);
  let progress: DeadLetterProgress = { total, looked: 0, matched: 0, done: 0 };
  for (const [subscriberId, count] of totals) {
    let left = count;
    let cursor: string | undefined;
    while (left > 0 && progress.matched < limit && !signal?.aborted) {
      const page = await admin.listDead(subscriberId, { limit: Math.min(left, STEP_SIZE), cursor });
      const matching = page.items.filter(matches).slice(0, limit - progress.matched);
      const done = matching.length > 0 ? await act(subscriberId, matching) : 0;
      progress = {
        total,
        looked: progress.looked + page.items.length,
        matched: progress.matched + matching.length,
        done: progress.done + done,
      };
      onProgress?.(progress);
      left -= page.items.length;
      ({ cursor } = page);
      if (cursor === undefined) break;
      // A provider in memory answers at once: others, and a signal that aborts, get their turn.
      await nextTurn();
    }
  }
  return progress;
}

/** Counts the dead letters of a subscription that match, by looking at each of them. */
export async function countLetters(
  admin: ProviderAdmin,
  subscriberId: string,
  { matches, signal }: Omit<ScanOptions, "limit">,
): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    signal?.throwIfAborted();
    const page = await admin.listDead(subscriberId, { limit: STEP_SIZE, cursor });
    count += page.items.filter(matches).length;
    ({ cursor } = page);
    if (cursor !== undefined) await nextTurn();
  } while (cursor !== undefined);
  return count;
}

/** Where a page over several subscriptions begins: at which of them, and where in it. */
export function readPlace(cursor: string | undefined): Place {
  if (cursor === undefined) return [];
  try {
    const place: unknown = JSON.parse(cursor);
    const [from, inner] = Array.isArray(place) ? (place as unknown[]) : [];
    if (typeof from === "string") return typeof inner === "string" ? [from, inner] : [from];
  } catch {
    // What it is instead does not matter.
  }
  throw new TypeError(`cursor must be the cursor of the page before: ${cursor}`);
}

/** The cursor of a page that begins in a subscription. */
export function writePlace(subscriberId: string, cursor?: string): string {
  return JSON.stringify([subscriberId, cursor]);
}

async function nextTurn(): Promise<void> {
  // Not the global one, which fake timers of a test replace.
  const { setImmediate } = await import("node:timers");
  await new Promise((resolve) => setImmediate(resolve));
}
