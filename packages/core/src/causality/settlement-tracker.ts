import type { Envelope } from "../contract/provider.ts";
import type { UnsettledEvent } from "../errors/errors.ts";
import { Chain, type Linked } from "../values/chain.ts";
import { OutgoingEnvelope } from "./outgoing-envelope.ts";

/**
 * Events that are settled themselves, and are remembered because of what they caused. Beyond this number, and
 * the number of those that are not settled, the oldest are forgotten.
 */
const REMEMBERED_CAUSES = 1_000;
/** As many at a time: looking for the oldest takes a while. */
const FORGOTTEN_AT_ONCE = 100;

/** Events that a description lists, and how deep it goes. */
const DESCRIBED_EVENTS = 100;
const DESCRIBED_LEVELS = 20;
const DESCRIBED_SUBSCRIPTIONS = 20;

/** An event, until it and all that was emitted because of it is acknowledged or dead. */
export class TrackedEvent implements Linked<TrackedEvent> {
  readonly id: string;
  readonly name: string;
  parent: TrackedEvent | undefined = undefined;
  /** Publishes whose result is not known. */
  publishing: number;
  /** Deliveries to come or under way. Below zero while the publish has not said how many. */
  open: number;
  /** Made with the first child: most events have none. */
  children: Set<TrackedEvent> | undefined = undefined;
  /** Subscriptions that failed and will run again. Made with the first one. */
  retrying: Set<string> | undefined = undefined;
  isSettled = false;
  /** Forgotten before what it caused is settled: its parent stands for it. */
  isSkipped = false;
  /** Calls of `settled` that wait for it. */
  waiters = 0;
  /** Its neighbours among the unsettled. */
  previous: TrackedEvent | undefined = undefined;
  next: TrackedEvent | undefined = undefined;

  constructor(id: string, name: string, publishing: number, open: number) {
    this.id = id;
    this.name = name;
    this.publishing = publishing;
    this.open = open;
  }

  /** Whether nothing of its own is left. */
  get isHandled(): boolean {
    return this.publishing === 0 && this.open <= 0;
  }

  /** Whether nothing is left that it caused, either. */
  get isDone(): boolean {
    return this.isHandled && !this.children?.size;
  }

  adopt(child: TrackedEvent): void {
    child.parent = this;
    (this.children ??= new Set()).add(child);
  }
}

/** What is left of events, as trees, and the number of events that are left out. */
export interface UnsettledTrees {
  readonly unsettled: readonly UnsettledEvent[];
  readonly omitted: number;
}

/** Names the subscriptions that run an event at the moment. */
export type RunningSubscriptions = (eventId: string) => readonly string[];

/**
 * Knows which of the events that this process emitted are not settled, and which was emitted because
 * of which. Exact where every delivery runs in this process; an event that is settled is forgotten.
 *
 * An event that is handled, and waits for what it caused, is forgotten too once there are many of its kind: then
 * its parent has what it caused. Otherwise a handler that emits its own successor would fill the memory. The first
 * event of a tree always stays.
 */
export class SettlementTracker {
  readonly #unsettled = new Chain<TrackedEvent>();
  /** How many there are. */
  #size = 0;
  /** Those that are handled and wait for what they caused, without the first of each tree. */
  readonly #causes = new Set<TrackedEvent>();
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
    if (event.open === 0) OutgoingEnvelope.forgetSharedEvent(envelope);
    this.#forgetIfDone(event);
  }

  /** Ends deliveries of an event that were cancelled. */
  cancelled(eventId: string, deliveries: number): void {
    const [event, ...others] = this.withId(eventId);
    // Of events with one id, or of a publish under way, nobody knows whose deliveries they were.
    if (!event || others.length > 0 || event.open < deliveries) {
      this.loseTrack();
      return;
    }
    event.retrying = undefined;
    event.open -= deliveries;
    this.#forgetIfDone(event);
  }

  /** The number of events that are remembered. */
  get size(): number {
    return this.#size;
  }

  /** Whether nothing is left. */
  get isIdle(): boolean {
    return this.#unsettled.last === undefined;
  }

  /** The unsettled events with an id. */
  withId(eventId: string): readonly TrackedEvent[] {
    return [...this.#unsettled].filter(({ id }) => id === eventId);
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

  /** What is left of some events, or of all, as trees: the first of them, and the first of their levels. */
  describe(
    events: readonly TrackedEvent[] | undefined,
    running: RunningSubscriptions,
  ): UnsettledTrees {
    const roots =
      events?.filter(({ isSettled }) => !isSettled) ??
      [...this.#unsettled].filter(({ parent }) => parent === undefined).reverse();
    return describe(roots, running);
  }

  /** Forgets everything: for when the queues are known to be empty. */
  clear(): void {
    for (const event of this.#unsettled) this.#forget(event);
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
    const event = new TrackedEvent(envelope.id, envelope.name, publishing, open);
    if (cause) this.#findCause(cause)?.adopt(event);
    this.#size += 1;
    this.#unsettled.add(event);
    OutgoingEnvelope.setNote(envelope, event);
    this.#byId?.set(envelope.id, event);
  }

  #find(envelope: Envelope): TrackedEvent | undefined {
    if (this.#byId) return this.#byId.get(envelope.id);
    const note = OutgoingEnvelope.noteOn(envelope);
    if (note) return note.isSettled || note.isSkipped ? undefined : note;
    // One of ours that was not tracked yet needs no look-up; nor does anything while nothing is open.
    if (envelope instanceof OutgoingEnvelope || !this.#unsettled.last) return undefined;
    this.#byId = this.#index();
    return this.#byId.get(envelope.id);
  }

  /** The event that stands for the cause of another. */
  #findCause(cause: Envelope): TrackedEvent | undefined {
    if (this.#byId) return this.#byId.get(cause.id);
    let event = OutgoingEnvelope.noteOn(cause);
    if (!event) return this.#find(cause);
    while (event?.isSkipped) event = event.parent;
    return event?.isSettled ? undefined : event;
  }

  /** By id; what was emitted twice under one id counts as one event from now on. */
  #index(): Map<string, TrackedEvent> {
    const index = new Map<string, TrackedEvent>();
    for (const event of this.#unsettled) {
      const known = index.get(event.id);
      if (!known) {
        index.set(event.id, event);
        continue;
      }
      known.publishing += event.publishing;
      known.open += event.open;
      for (const child of event.children ?? []) known.adopt(child);
      event.parent?.children?.delete(event);
      event.isSettled = true;
      this.#unlink(event);
    }
    return index;
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
    else if (settled.isHandled && settled.parent) this.#rememberCause(settled);
  }

  /** Keeps an event for what it caused, and forgets the oldest ones that are kept for that. */
  #rememberCause(event: TrackedEvent): void {
    this.#causes.add(event);
    const unhandled = this.#size - this.#causes.size;
    if (this.#causes.size <= REMEMBERED_CAUSES + FORGOTTEN_AT_ONCE + unhandled) return;
    let left = FORGOTTEN_AT_ONCE;
    for (const cause of this.#causes) {
      if (left === 0) return;
      left -= 1;
      this.#causes.delete(cause);
      // It may have been published once more.
      if (!cause.isHandled || !cause.parent) continue;
      // What `settled` waits for has its turn later.
      if (cause.waiters > 0) this.#causes.add(cause);
      else this.#skip(cause, cause.parent);
    }
  }

  /** Gives what an event has caused to its parent. */
  #skip(event: TrackedEvent, parent: TrackedEvent): void {
    parent.children?.delete(event);
    for (const child of event.children ?? []) parent.adopt(child);
    event.children = undefined;
    event.isSkipped = true;
    this.#byId?.delete(event.id);
    this.#unlink(event);
  }

  #forget(event: TrackedEvent): void {
    event.isSettled = true;
    this.#unlink(event);
    for (const listener of this.#listeners) listener(event.id);
  }

  #unlink(event: TrackedEvent): void {
    this.#size -= 1;
    if (event.children) this.#causes.delete(event);
    this.#unsettled.delete(event);
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }
}

/** Without recursion: a tree may be deeper than the stack. */
function describe(roots: readonly TrackedEvent[], running: RunningSubscriptions): UnsettledTrees {
  const unsettled: UnsettledEvent[] = [];
  let listed = 0;
  let total = 0;
  const left = roots.map((event) => ({ event, into: unsettled, level: 1 })).toReversed();
  for (let next = left.pop(); next; next = left.pop()) {
    const { event, into, level } = next;
    total += 1;
    const children: UnsettledEvent[] = [];
    if (level <= DESCRIBED_LEVELS && listed < DESCRIBED_EVENTS) {
      listed += 1;
      into.push(describeOne(event, running, children));
    }
    const below = [...(event.children ?? [])].toReversed();
    for (const child of below) left.push({ event: child, into: children, level: level + 1 });
  }
  return { unsettled, omitted: total - listed };
}

function describeOne(
  event: TrackedEvent,
  running: RunningSubscriptions,
  children: readonly UnsettledEvent[],
): UnsettledEvent {
  const active = running(event.id);
  const waiting = [...(event.retrying ?? [])].filter((id) => !active.includes(id));
  const waitingFor = [
    ...active.map((id) => `${id} (running)`),
    ...waiting.map((id) => `${id} (waits to run again)`),
  ];
  return {
    id: event.id,
    name: event.name,
    deliveries: Math.max(event.open, 0),
    waitingFor: waitingFor.slice(0, DESCRIBED_SUBSCRIPTIONS),
    children,
  };
}
