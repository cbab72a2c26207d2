import { cloneJson, isOwn, setMember } from "../values/json.ts";
import type { Event, EventMetadata } from "../contract/event.ts";
import type { JsonValue } from "../contract/json.ts";
import type { NoticedEvent } from "../contract/notices.ts";
import type { Envelope } from "../contract/provider.ts";

/**
 * The event in an envelope, as handlers and interceptors see it: times are Dates.
 *
 * @param isolated Whether the receiver gets data of its own, to do with what it likes.
 */
export function receivedEvent(envelope: Envelope, isolated: boolean): Event {
  const { id, name, data, metadata } = envelope;
  return {
    id,
    name,
    data: isolated ? cloneJson(data) : data,
    metadata: receivedMetadata(metadata),
  };
}

/**
 * The event in an envelope, as listeners of the bus see it: without its data. Most listeners only count, and metadata
 * takes as long as the rest of a notice: it is made when it is read.
 */
export function noticedEvent({ id, name, metadata: stored }: Envelope): NoticedEvent {
  let metadata: EventMetadata | undefined;
  return {
    id,
    name,
    get metadata() {
      return (metadata ??= receivedMetadata(stored));
    },
  };
}

/**
 * Written out, with the others behind: on Node 20, members that are added to a clone take 1.8 µs, as much as all the
 * rest of a delivery.
 */
function receivedMetadata(metadata: Envelope["metadata"]): EventMetadata {
  const { created_at: createdMs, published_at: publishedMs } = metadata;
  const createdAt = new Date(createdMs);
  // One for both where they are the same, as they are for most: a Date costs a twentieth of a delivery.
  const publishedAt = publishedMs === createdMs ? createdAt : new Date(publishedMs);
  const received: Record<string, unknown> = {
    created_at: createdAt,
    published_at: publishedAt,
    correlationId: metadata.correlationId,
    createdAt,
    publishedAt,
  };
  for (const member in metadata) {
    if (isWritten(member) || !isOwn(metadata, member)) continue;
    setMember(received, member, cloneJson(metadata[member] as JsonValue));
  }
  return received;
}

function isWritten(member: string): boolean {
  return (
    member === "created_at" ||
    member === "published_at" ||
    member === "correlationId" ||
    member === "createdAt" ||
    member === "publishedAt"
  );
}
