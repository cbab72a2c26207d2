import type { Envelope } from "../contracts/provider.ts";
import type { UnsettledEvent } from "../errors.ts";

/** An event, until it and all that was emitted because of it is acknowledged or dead. */
interface TrackedEvent {
  readonly id: string;
  readonly name: string;
  readonly parent: TrackedEvent | undefined;
  /** Publishes whose result is not known. */
  publishing: number;
  /** Deliveries to come or under way. Below zero while the publish has not said how many. */
  open: number;
  /** Made with the first child: most events have none. */
  children: Set<TrackedEvent> | undefined;
  /** Subscriptions that failed and will run again. Made with the first one. */
  retrying: Set<string> | undefined;
}

/** Names the subscriptions that run an event at the moment. */
export type RunningSubscriptions = (eventId: string) => readonly string[];

/**
 * Knows which of the events that this process emitted are not settled, and which was emitted because
 * of which. Exact where every delivery runs in this process; an event that is settled is forgotten.
 */
export class SettlementTracker {
  readonly #events = new Map<string, TrackedEvent>();
  readonly #waiters = new Set<() => void>();
  #isExact = true;

  /** False once deliveries were taken away without a word on each, so that counting them is in vain. */
  get isExact(): boolean {
    return this.#isExact;
  }

  /** Gives up counting, until {@link clear}. */
  loseTrack(): void {
    this.#isExact = false;
    this.#wake();
  }

  /** Begins to wait for an event that is about to be published. */
  publishing(envelope: Envelope): void {
    this.#track(envelope, 1, 0);
  }

  /** Begins to wait for an event that goes to that many subscriptions. */
  accepted(envelope: Envelope, subscriptions: number): void {
    if (subscriptions > 0) this.#track(envelope, 0, subscriptions);
  }

  /** Ends a publish: the event goes to that many subscriptions, 0 when it was refused. */
  published(eventId: string, subscriptions: number): void {
    const event = this.#events.get(eventId);
    if (!event) return;
    event.publishing -= 1;
    event.open += subscriptions;
    this.#forgetIfSettled(event);
  }

  /** Notes that a delivery has failed and will run again. */
  retrying(eventId: string, subscriptionId: string): void {
    const event = this.#events.get(eventId);
    if (event) (event.retrying ??= new Set()).add(subscriptionId);
  }

  /** Ends one delivery of an event. */
  settled(eventId: string, subscriptionId: string): void {
    const event = this.#events.get(eventId);
    if (!event) return;
    event.retrying?.delete(subscriptionId);
    event.open -= 1;
    this.#forgetIfSettled(event);
  }

  /** Whether nothing is left of one event, or of all. */
  isSettled(eventId: string | undefined): boolean {
    return eventId === undefined ? this.#events.size === 0 : !this.#events.has(eventId);
  }

  /**
   * Calls back whenever an event has been settled or track is lost, until the function that it returns
   * is called.
   */
  onSettled(callback: () => void): () => void {
    this.#waiters.add(callback);
    return () => this.#waiters.delete(callback);
  }

  /** What is left of one event, or of all, as trees. */
  unsettled(eventId: string | undefined, running: RunningSubscriptions): readonly UnsettledEvent[] {
    const roots = [...this.#events.values()].filter((event) =>
      eventId === undefined ? event.parent === undefined : event.id === eventId,
    );
    return roots.map((event) => describe(event, running));
  }

  /** Forgets everything: for when the queues are known to be empty. */
  clear(): void {
    this.#events.clear();
    this.#isExact = true;
    this.#wake();
  }

  #track(envelope: Envelope, publishing: number, open: number): void {
    const { id, name, metadata } = envelope;
    const known = this.#events.get(id);
    if (known) {
      known.publishing += publishing;
      known.open += open;
      return;
    }
    const { causationId } = metadata;
    const parent = causationId === undefined ? undefined : this.#events.get(causationId);
    const event: TrackedEvent = {
      id,
      name,
      parent,
      publishing,
      open,
      children: undefined,
      retrying: undefined,
    };
    if (parent) (parent.children ??= new Set()).add(event);
    this.#events.set(id, event);
  }

  #forgetIfSettled(settled: TrackedEvent): void {
    let event: TrackedEvent | undefined = settled;
    let forgotten = false;
    while (event && isDone(event)) {
      this.#events.delete(event.id);
      event.parent?.children?.delete(event);
      event = event.parent;
      forgotten = true;
    }
    if (forgotten) this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }
}

function isDone(event: TrackedEvent): boolean {
  return event.publishing === 0 && event.open <= 0 && !event.children?.size;
}

function describe(event: TrackedEvent, running: RunningSubscriptions): UnsettledEvent {
  const active = running(event.id);
  const waiting = [...(event.retrying ?? [])].filter((id) => !active.includes(id));
  return {
    id: event.id,
    name: event.name,
    deliveries: Math.max(event.open, 0),
    waitingFor: [
      ...active.map((id) => `${id} (running)`),
      ...waiting.map((id) => `${id} (waits to run again)`),
    ],
    children: [...(event.children ?? [])].map((child) => describe(child, running)),
  };
}
