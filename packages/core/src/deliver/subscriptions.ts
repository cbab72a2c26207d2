import { checkObject, describe } from "../values/arguments.ts";
import type { Subscriber, SubscriptionDefaults } from "../contract/subscriber.ts";
import { checkSelector, nameOf } from "../values/event-names.ts";
import { assertPattern } from "../provider/router.ts";
import { cut, escapeControls, quoted } from "../errors/quoted.ts";
import { messageOf } from "../errors/thrown.ts";
import type { CallSite } from "../values/call-site.ts";
import {
  anonymousId,
  type AnySubscriberContext,
  assertSamePolicy,
  checkSubscriberId,
  readPolicy,
} from "./policy.ts";
import { HotReload, type Origin } from "./hot-reload.ts";
import { Subscription } from "./subscription.ts";

/** Event names or patterns, as `subscribe` takes them. */
export type EventSelector = string | symbol | readonly string[];

/** What else is known of a call of `subscribe`. */
export interface Subscribing {
  /** Go before those of the bus. */
  readonly defaults?: SubscriptionDefaults | undefined;
  /** Who calls it, if the caller's file may be evaluated again. */
  readonly site?: CallSite | undefined;
  /** The events of an earlier handler with the same id: the new one takes its place, whatever file it is in. */
  readonly replaces?: readonly string[] | undefined;
}

interface Prepared extends Pick<Subscribing, "replaces"> {
  readonly origin: Origin | undefined;
}

/** A subscription that lost events, and whether it has none left. */
export interface RemovedEvents {
  readonly subscription: Subscription;
  readonly events: string[];
}

/** The subscriptions that this process has code for. */
export class Subscriptions implements Iterable<Subscription> {
  readonly #byId = new Map<string, Subscription>();
  readonly #defaults: SubscriptionDefaults;
  readonly #reload = new HotReload();

  /** @param defaults Those of the bus. */
  constructor(defaults: SubscriptionDefaults) {
    this.#defaults = defaults;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#byId.values();
  }

  get(subscriptionId: string): Subscription | undefined {
    return this.#byId.get(subscriptionId);
  }

  /**
   * Adds a handler to events. All or nothing: a mistake in one of them adds none.
   *
   * @returns The subscriptions that have changed.
   */
  add(
    selector: EventSelector,
    handler: Subscriber,
    context: AnySubscriberContext = {},
    { defaults, site, replaces }: Subscribing = {},
  ): ReadonlySet<Subscription> {
    if (typeof handler !== "function") throw new TypeError("A subscriber must be a function");
    assertContext(context);
    const events = selectedEvents(selector);
    const { subscriberId } = context;
    if (subscriberId !== undefined) {
      const reason = checkSubscriberId(subscriberId);
      if (reason) throw new TypeError(`A subscriberId ${reason}`);
    }
    const origin = site && this.#reload.originOf(site);
    const targets = events.map((event) => {
      assertPattern(event);
      return this.#prepare(event, subscriberId, context, { origin, replaces });
    });
    const isReloaded = replaces !== undefined || targets.some(({ isAgain }) => isAgain);
    const [first] = targets;
    if (first) assertBatch(first, subscriberId, { ...this.#defaults, ...defaults });
    for (const { id, policy } of isReloaded ? [] : targets) {
      const known = this.#byId.get(id);
      if (known) assertSamePolicy(known.policy, policy, id);
    }
    const changed = new Set<Subscription>();
    for (const { event, id, policy, isAgain } of targets) {
      const subscription = this.#byId.get(id) ?? new Subscription(id, policy, this.#defaults);
      if (isAgain) subscription.remove(event, undefined);
      if (isReloaded) subscription.policy = policy;
      if (defaults) subscription.defaults = { ...this.#defaults, ...defaults };
      this.#byId.set(id, subscription);
      subscription.add(event, handler, origin);
      changed.add(subscription);
    }
    return changed;
  }

  /**
   * Adds a subscription of a single wait, with an id of its own. The defaults of the bus do not apply.
   *
   * @throws TypeError when the event is not a name or a pattern.
   */
  addTemporary(event: string, handler: Subscriber): Subscription {
    const [selected] = selectedEvents(event) as [string];
    assertPattern(selected);
    const policy = { attempts: 1, concurrency: 1 };
    const subscription = new Subscription(`next:${crypto.randomUUID()}`, policy, {}, true);
    subscription.add(selected, handler);
    this.#byId.set(subscription.id, subscription);
    return subscription;
  }

  /** Removes by id, if the context names one, or else by function. */
  remove(
    selector: EventSelector,
    handler: Subscriber,
    context: AnySubscriberContext = {},
  ): readonly RemovedEvents[] {
    const removed = new Map<string, RemovedEvents>();
    const { subscriberId } = context;
    for (const event of selectedEvents(selector)) {
      const candidates = subscriberId === undefined ? [...this] : [this.#byId.get(subscriberId)];
      for (const subscription of candidates) {
        const wanted = subscriberId === undefined ? handler : undefined;
        if (!subscription?.remove(event, wanted) || subscription.has(event)) continue;
        const known = removed.get(subscription.id);
        if (known) known.events.push(event);
        else removed.set(subscription.id, { subscription, events: [event] });
        if (subscription.events.length === 0) this.#byId.delete(subscription.id);
      }
    }
    return [...removed.values()];
  }

  /** Removes all events of a subscription. */
  removeById(subscriberId: string): readonly RemovedEvents[] {
    const subscription = this.#byId.get(subscriberId);
    if (!subscription) return [];
    const events = [...subscription.events];
    this.forget(subscriberId, undefined);
    return [{ subscription, events }];
  }

  /** Removes a subscription, or some of its events, from this process. */
  forget(subscriptionId: string, events: readonly string[] | undefined): void {
    const subscription = this.#byId.get(subscriptionId);
    for (const event of events ?? subscription?.events ?? []) {
      subscription?.remove(event, undefined);
    }
    if (subscription?.events.length === 0) this.#byId.delete(subscriptionId);
  }

  #prepare(
    event: string,
    subscriberId: string | undefined,
    context: AnySubscriberContext,
    { origin, replaces = [] }: Prepared,
  ): { event: string; id: string; policy: Subscription["policy"]; isAgain: boolean } {
    const id = subscriberId ?? anonymousId(event);
    const policy = readPolicy(context, id);
    const known = this.#byId.get(id);
    const isTaken = subscriberId !== undefined && known?.has(event) === true;
    const isAgain =
      isTaken && (replaces.includes(event) || this.#reload.isAgain(known.originOf(event), origin));
    if (isTaken && !isAgain) {
      throw new TypeError(`Subscriber ${quoted(id)} is already subscribed to ${quoted(event)}`);
    }
    return { event, id, policy, isAgain };
  }
}

function assertContext(context: AnySubscriberContext): void {
  if (checkObject(context) === undefined) return;
  throw new TypeError(
    `The context of a subscriber must be an object, such as { subscriberId: "send-receipt" }, not ${describe(context)}`,
  );
}

/** @throws TypeError when events cannot come in batches as the policy asks. */
function assertBatch(
  { id, policy }: { readonly id: string; readonly policy: Subscription["policy"] },
  subscriberId: string | undefined,
  defaults: SubscriptionDefaults,
): void {
  if (policy.batch === undefined) return;
  if (subscriberId === undefined) {
    throw new TypeError(
      `The anonymous subscriber of ${quoted(id)} has a batch: give it a subscriberId, so that one subscriber gets the events of a batch`,
    );
  }
  if ((policy.ordering ?? defaults.ordering) !== "all") return;
  throw new TypeError(
    `Subscriber ${quoted(id)} has a batch and ordering "all", which delivers one event at a time: use ordering "key", or leave batch out`,
  );
}

function selectedEvents(selector: EventSelector): readonly string[] {
  const events = Array.isArray(selector) ? (selector as string[]) : [nameOf(selector as string)];
  if (events.length === 0) throw new TypeError("Subscribe to at least one event");
  for (const event of events) {
    const reason = checkSelector(event);
    if (reason === undefined) continue;
    // In a program without types, it may be anything.
    const shown = typeof event === "string" ? quoted(event) : escapeControls(cut(messageOf(event)));
    throw new TypeError(`The event ${shown} ${reason}`);
  }
  return [...new Set(events)];
}
