import type { Clock } from "../contract/clock.ts";
import type { Page, ProviderAdmin, WaitingDelivery } from "../contract/provider.ts";
import type { QueueItem } from "./waiting-items.ts";

/** Which page of what waits. */
export type WaitingPage = Parameters<NonNullable<ProviderAdmin["listWaiting"]>>[1];

/** An item of a queue that waits. */
export interface WaitingItem {
  readonly item: QueueItem;
  readonly state: WaitingDelivery["state"];
}

/** Where an item stands: its state, its urgency or its time, and its number. A cursor is the place of the last item. */
type Place = readonly [state: number, rank: number, sequence: number];

const STATES: readonly WaitingDelivery["state"][] = ["ready", "delayed", "blocked"];

/** The page of what waits behind a cursor: what is ready first, in the order in which it will run. */
export function pageOfWaiting(
  waiting: Iterable<WaitingItem>,
  { limit, cursor, eventId }: WaitingPage,
  clock: Clock,
): Page<WaitingDelivery> {
  const after = cursor === undefined ? undefined : readCursor(cursor);
  const found: { readonly place: Place; readonly it: WaitingItem }[] = [];
  for (const it of waiting) {
    if (eventId !== undefined && it.item.envelope.id !== eventId) continue;
    const place = placeOf(it);
    if (!after || compare(place, after) > 0) found.push({ place, it });
  }
  const page = found.toSorted((a, b) => compare(a.place, b.place)).slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ it }) => deliveryOf(it, clock)),
    ...(last && found.length > limit && { cursor: JSON.stringify(last.place) }),
  };
}

/** @throws TypeError when the cursor is of no page before. */
function readCursor(cursor: string): Place {
  const [, ...numbers] = /^\[([0-2]),(-?[\d.e+-]+),(\d+)\]$/.exec(cursor) ?? [];
  const [state, rank, sequence] = numbers.map(Number);
  if (state === undefined || rank === undefined || sequence === undefined || Number.isNaN(rank)) {
    throw new TypeError("waiting(): cursor is of no page before");
  }
  return [state, rank, sequence];
}

function placeOf({ item, state }: WaitingItem): Place {
  const rank = { ready: item.priority, delayed: item.due, blocked: 0 }[state];
  return [STATES.indexOf(state), rank, item.sequence];
}

function compare(one: Place, other: Place): number {
  return one[0] - other[0] || one[1] - other[1] || one[2] - other[2];
}

function deliveryOf({ item, state }: WaitingItem, clock: Clock): WaitingDelivery {
  const { envelope, sequence, due } = item;
  const id = String(sequence);
  if (state !== "delayed") return { id, envelope, state };
  return { id, envelope, state, dueAt: clock.now() + due - clock.monotonic() };
}
