import type { Event } from "../contract/event.ts";
import type { Page, WaitingDelivery } from "../contract/provider.ts";
import { receivedEvent } from "../deliver/received-event.ts";

/** A delivery in the queue of a subscription that has not begun. */
export interface WaitingEvent {
  /** Identifies the delivery within its subscription. Not the id of the event. */
  readonly id: string;
  /** The event, as its handlers will see it. */
  readonly event: Event;
  /** `ready`: it could run now. `delayed`: its time has not come. `blocked`: it waits behind another of its key. */
  readonly state: "ready" | "delayed" | "blocked";
  /** When a delayed delivery becomes due, by the clock of the provider's server where it has one. */
  readonly dueAt?: Date | undefined;
}

/** Which page of waiting deliveries to list. */
export interface ListWaiting {
  /** @default 100 */
  readonly limit?: number | undefined;
  /** From the page before. */
  readonly cursor?: string | undefined;
  /** Lists the deliveries of this event only. */
  readonly eventId?: string | undefined;
}

/** A page of deliveries as people see them. */
export function waitingPage({ items, cursor }: Page<WaitingDelivery>): Page<WaitingEvent> {
  return { items: items.map(waitingEvent), ...(cursor !== undefined && { cursor }) };
}

function waitingEvent({ id, envelope, state, dueAt }: WaitingDelivery): WaitingEvent {
  const event = receivedEvent(envelope, true);
  return { id, event, state, ...(dueAt !== undefined && { dueAt: new Date(dueAt) }) };
}
