import type { Envelope } from "../contracts/provider.ts";
import type { UnsettledEvent } from "../errors.ts";
import { OutgoingEnvelope } from "./outgoing-envelope.ts";

/** An event, until it and all that was emitted because of it is acknowledged or dead. */
export class TrackedEvent {
  readonly id: string;
  readonly name: string;
  parent: TrackedEvent | undefined;
  /** Publishes whose result is not known. */
  publishing: number;
  /** Deliveries to come or under way. Below zero while the publish has not said how many. */
  open: number;
  /** Made with the first child: most events have none. */
  children: Set<TrackedEvent> | undefined = undefined;
  /** Subscriptions that failed and will run again. Made with the first one. */
  retrying: Set<string> | undefined = undefined;
  isSettled = false;
  /** Its neighbours among the unsettled. */
  previous: TrackedEvent | undefined = undefined;
  next: TrackedEvent | undefined = undefined;

  constructor(
    id: string,
    name: string,
    parent: TrackedEvent | undefined,
    publishing: number,
    open: number,
  ) {
    this.id = id;
    this.name = name;
    this.parent = parent;
    this.publishing = publishing;
    this.open = open;
  }

  get isDone(): boolean {
    return this.publishing === 0 && this.open <= 0 && !this.children?.size;
  }
}

/** Names the subscriptions that run an event at the moment. */
export type RunningSubscriptions = (eventId: string) => readonly string[];

/**
 * Knows which of the events that this process emitted are not settled, and which was emitted because
 * of which. Exact where every delivery runs in this process; an event that is settled is forgotten.
 */
export class SettlementTracker {
  /** The latest of the unsettled. */
  #last: TrackedEvent | undefined;
  /** Made when a provider brings back other envelopes than it was given: then ids have to do. */
  #byId: Map<string, TrackedEvent> | undefined;
  readonly #waiters = new Set<() => void>();
  readonly #listeners = new Set<(eventId: string) => void>();
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

  /**
   * Begins to wait for an event that is about to be published.
   *
   * @param cause The envelope in whose handler it was emitted.
   */
  publishing(envelope: Envelope, cause: Envelope | undefined): void {
    this.#track(envelope, cause, 1, 0);
  }

  /** Begins to wait for an event that goes to that many subscriptions. */
  accepted(envelope: Envelope, cause: Envelope | undefined, subscriptions: number): void {
    if (subscriptions > 0) this.#track(envelope, cause, 0, subscriptions);
  }

  /** Ends a publish: the event goes to that many subscriptions, 0 when it was refused. */
  published(envelope: Envelope, subscriptions: number): void {
    const event = this.#find(envelope);
    if (!event) return;
    event.publishing -= 1;
    event.open += subscriptions;
    this.#forgetIfDone(event);
  }

  /** Notes that a delivery has failed and will run again. */
  retrying(envelope: Envelope, subscriptionId: string): void {
    const event = this.#find(envelope);
    if (event) (event.retrying ??= new Set()).add(subscriptionId);
  }

  /** Ends one delivery of an event. */
  settled(envelope: Envelope, subscriptionId: string): void {
    const event = this.#find(envelope);
    if (!event) return;
    event.retrying?.delete(subscriptionId);
    event.open -= 1;
    this.#forgetIfDone(event);
  }

  /** Whether nothing is left. */
  get isIdle(): boolean {
    return this.#last === undefined;
  }

  /** The unsettled events with an id. */
  withId(eventId: string): readonly TrackedEvent[] {
    return [...this.#unsettled()].filter(({ id }) => id === eventId);
  }

  /**
   * Calls back whenever an event has been settled or track is lost, until the function that it returns
   * is called.
   */
  onSettled(callback: () => void): () => void {
    this.#waiters.add(callback);
    return () => this.#waiters.delete(callback);
  }

  /** Calls back with the id of each event that is settled, until the function that it returns is called. */
  onEventSettled(callback: (eventId: string) => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** What is left of some events, or of all, as trees. */
  describe(
    events: readonly TrackedEvent[] | undefined,
    running: RunningSubscriptions,
  ): readonly UnsettledEvent[] {
    const roots =
      events?.filter(({ isSettled }) => !isSettled) ??
      [...this.#unsettled()].filter(({ parent }) => parent === undefined).reverse();
    return roots.map((event) => describe(event, running));
  }

  /** Forgets everything: for when the queues are known to be empty. */
  clear(): void {
    for (const event of this.#unsettled()) this.#forget(event);
    this.#byId = undefined;
    this.#isExact = true;
    this.#wake();
  }

  #track(envelope: Envelope, cause: Envelope | undefined, publishing: number, open: number): void {
    const known = this.#find(envelope);
    if (known) {
      known.publishing += publishing;
      known.open += open;
      return;
    }
    const parent = cause && this.#find(cause);
    const event = new TrackedEvent(envelope.id, envelope.name, parent, publishing, open);
    if (parent) (parent.children ??= new Set()).add(event);
    event.previous = this.#last;
    if (this.#last) this.#last.next = event;
    this.#last = event;
    OutgoingEnvelope.setNote(envelope, event);
    this.#byId?.set(envelope.id, event);
  }

  #find(envelope: Envelope): TrackedEvent | undefined {
    if (this.#byId) return this.#byId.get(envelope.id);
    const note = OutgoingEnvelope.noteOn(envelope);
    if (note) return note.isSettled ? undefined : note;
    // One of ours that was not tracked yet needs no look-up; nor does anything while nothing is open.
    if (envelope instanceof OutgoingEnvelope || !this.#last) return undefined;
    this.#byId = this.#index();
    return this.#byId.get(envelope.id);
  }

  /** By id; what was emitted twice under one id counts as one event from now on. */
  #index(): Map<string, TrackedEvent> {
    const index = new Map<string, TrackedEvent>();
    for (const event of this.#unsettled()) {
      const known = index.get(event.id);
      if (!known) {
        index.set(event.id, event);
        continue;
      }
      known.publishing += event.publishing;
      known.open += event.open;
      for (const child of event.children ?? []) {
        child.parent = known;
        (known.children ??= new Set()).add(child);
      }
      this.#unlink(event);
    }
    return index;
  }

  *#unsettled(): Generator<TrackedEvent> {
    let event = this.#last;
    while (event) {
      // The one that is looked at may be unlinked meanwhile.
      const { previous }: TrackedEvent = event;
      yield event;
      event = previous;
    }
  }

  #forgetIfDone(settled: TrackedEvent): void {
    let event: TrackedEvent | undefined = settled;
    let forgotten = false;
    while (event?.isDone && !event.isSettled) {
      const { parent }: TrackedEvent = event;
      this.#byId?.delete(event.id);
      parent?.children?.delete(event);
      event.parent = undefined;
      this.#forget(event);
      event = parent;
      forgotten = true;
    }
    if (forgotten) this.#wake();
  }

  #forget(event: TrackedEvent): void {
    this.#unlink(event);
    for (const listener of this.#listeners) listener(event.id);
  }

  #unlink(event: TrackedEvent): void {
    event.isSettled = true;
    if (event.previous) event.previous.next = event.next;
    if (event.next) event.next.previous = event.previous;
    else this.#last = event.previous;
    // A dead letter's envelope would keep all that came before.
    event.previous = undefined;
    event.next = undefined;
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }
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
