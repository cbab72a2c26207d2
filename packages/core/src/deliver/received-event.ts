import { cloneJson, cloneNested } from "../values/json.ts";
import type { Event, EventMetadata } from "../contract/event.ts";
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

/** The event in an envelope, as listeners of the bus see it: without its data. */
export function noticedEvent({ id, name, metadata }: Envelope): NoticedEvent {
  return { id, name, metadata: receivedMetadata(metadata) };
}

function receivedMetadata(metadata: Envelope["metadata"]): EventMetadata {
  // The clone is ours, and takes the Dates in the place of their numbers.
  const received: Record<string, unknown> = cloneNested({ ...metadata });
  received["createdAt"] = received["created_at"] = new Date(metadata.created_at);
  received["publishedAt"] = received["published_at"] = new Date(metadata.published_at);
  return received;
}
