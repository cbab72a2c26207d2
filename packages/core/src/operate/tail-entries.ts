import type { EventMetadata } from "../contract/event.ts";
import type { JsonObject, JsonValue } from "../contract/json.ts";
import type { BusNoticeName, BusNotices, NoticedEvent } from "../contract/notices.ts";
import type { Envelope } from "../contract/provider.ts";
import { recordFailure } from "../deliver/failures.ts";
import { noticedEvent } from "../deliver/received-event.ts";
import type { NoticeTap } from "../observe/notices.ts";
import { jsonWithin } from "../values/json-within.ts";

/** Characters of JSON that an entry has of the data of an event, and as many of its metadata. */
const MOST_CHARACTERS = 8_192;

/** What happened to an event, or to one of its deliveries, in one process. */
export interface TailedEvent {
  /**
   * What happened, as {@link BusNotices} describes it: `emitted`, `unrouted`, `delivered`, `failed`, `dead` or
   * `released`.
   */
  readonly type: "emitted" | "unrouted" | "delivered" | "failed" | "dead" | "released";
  /** When it happened, by the clock of the process. */
  readonly at: Date;
  /** The instance in which it happened, as `inspect().instances` lists it. */
  readonly instanceId: string;
  /** The event. Metadata of more than 8 192 characters has no members of the application's own. */
  readonly event: NoticedEvent;
  /** The data of an `emitted` event. */
  readonly data?: JsonValue | undefined;
  /** Set where the data is larger: `data` then is the first 8 192 characters of its JSON, as a string. */
  readonly dataCut?: true | undefined;
  /** The subscription. Absent for `emitted` and `unrouted`. */
  readonly subscriberId?: string | undefined;
  /** The number of the run: 1 for the first, 2 for the first retry. */
  readonly attempt?: number | undefined;
  /** How long the run took, in milliseconds. */
  readonly durationMs?: number | undefined;
  /** What the handler threw. */
  readonly error?: { readonly name: string; readonly message: string } | undefined;
  /** Why the delivery is dead, or was released. */
  readonly reason?: string | undefined;
  /** Milliseconds until the delivery runs again. */
  readonly delayMs?: number | undefined;
}

/** Entries that were left out: more happened than a tail can show, or than its reader has read. */
export interface TailGap {
  readonly type: "dropped";
  /** How many entries are missing here. */
  readonly count: number;
}

/** An entry of `bus.tail()`. */
export type TailEntry = TailedEvent | TailGap;

/** An entry as it stands on a board. */
export interface ShownEntry extends JsonObject {
  /** Counts what this instance had to show: a number that is missing is an entry that was dropped. */
  readonly seq: number;
  readonly at: number;
  readonly instanceId: string;
  readonly type: TailedEvent["type"];
  readonly event: { readonly id: string; readonly name: string; readonly metadata: JsonObject };
}

/** What the bus hears of a notice. */
export type TappedNotice = Parameters<NoticeTap>[0];

const SHOWN: ReadonlySet<BusNoticeName> = new Set<TailedEvent["type"]>([
  "emitted",
  "unrouted",
  "delivered",
  "failed",
  "dead",
  "released",
]);

/** Whether a tail shows notices of a name. */
export function isShown(name: BusNoticeName): name is TailedEvent["type"] {
  return SHOWN.has(name);
}

/** The entry of a notice. */
export function shownEntry(
  type: TailedEvent["type"],
  { notice, envelope }: TappedNotice,
  { seq, at, instanceId }: Pick<ShownEntry, "seq" | "at" | "instanceId">,
): ShownEntry {
  const { event, ...about } = notice as BusNotices["failed"] & BusNotices["dead"];
  const { subscriberId, attempt, durationMs, error, reason, delayMs } = about;
  const failure = error === undefined ? undefined : recordFailure(error, at);
  return withoutUndefined({
    seq,
    at,
    instanceId,
    type,
    event: { id: event.id, name: event.name, metadata: shownMetadata(event.metadata) },
    ...(type === "emitted" && envelope && shownData(envelope.data)),
    subscriberId,
    attempt,
    durationMs,
    error: failure && { name: failure.name, message: failure.message },
    reason,
    delayMs,
  }) as ShownEntry;
}

/** What an entry on a board says. Undefined if this release cannot read it. */
export function tailedEvent(entry: JsonObject): TailedEvent | undefined {
  const { seq: _, at, event, type, ...others } = entry as ShownEntry;
  if (typeof at !== "number" || !isShown(type) || !isEvent(event)) return undefined;
  return {
    ...others,
    type,
    at: new Date(at),
    event: noticedEvent(event as unknown as Envelope),
  } as TailedEvent;
}

function isEvent(event: unknown): boolean {
  const { id, name, metadata } = (event ?? {}) as Partial<ShownEntry["event"]>;
  return typeof id === "string" && typeof name === "string" && typeof metadata === "object";
}

function shownData(data: JsonValue): { readonly data: JsonValue; readonly dataCut?: true } {
  const { text, isWhole } = jsonWithin(data, MOST_CHARACTERS);
  // A copy: a handler may change what it shares with the emitter's envelope.
  return isWhole ? { data: JSON.parse(text) as JsonValue } : { data: text, dataCut: true };
}

/** The metadata as it is in an envelope. */
function shownMetadata(metadata: EventMetadata): JsonObject {
  const { createdAt: _, publishedAt: __, created_at, published_at, ...others } = metadata;
  const times = { created_at: Number(created_at), published_at: Number(published_at) };
  const { isWhole } = jsonWithin(others as JsonObject, MOST_CHARACTERS);
  if (isWhole) return { ...times, ...others } as JsonObject;
  const { correlationId, causationId, causationDepth, eventGroupId, stepId } = others;
  const known = { correlationId, causationId, causationDepth, eventGroupId, stepId };
  return withoutUndefined({ ...times, ...known }) as JsonObject;
}

function withoutUndefined(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
