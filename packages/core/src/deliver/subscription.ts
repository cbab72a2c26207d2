import type { ConsumerHandle, ConsumeSpec, SubscriptionSpec } from "../contract/provider.ts";
import type { Subscriber, SubscriptionDefaults } from "../contract/subscriber.ts";
import { matchesPattern } from "../provider/router.ts";
import type { Origin } from "./hot-reload.ts";
import type { SubscriptionPolicy } from "./policy.ts";

const DEFAULT_CONCURRENCY = 10;
/** Names may be made at run time: past this many, what was found for them is found again. */
const REMEMBERED_NAMES = 1000;

/** A subscription that this process has code for. */
export class Subscription {
  readonly id: string;
  policy: SubscriptionPolicy;
  /** What holds where the policy says nothing. */
  defaults: SubscriptionDefaults;
  paused = false;
  /** How many looks at what is paused had begun when it was declared. Undefined before. */
  declaredAfter: number | undefined;
  consumer: ConsumerHandle | undefined;
  /** What the consumer was made with. */
  consumedAs: ConsumeSpec | undefined;
  readonly #handlers = new Map<string, readonly Subscriber[]>();
  readonly #origins = new Map<string, Origin>();
  readonly #found = new Map<string, readonly Subscriber[]>();
  /** Names and patterns that were taken from it for good. */
  readonly #retired = new Set<string>();

  constructor(id: string, policy: SubscriptionPolicy, defaults: SubscriptionDefaults) {
    this.id = id;
    this.policy = policy;
    this.defaults = defaults;
  }

  /** The names and patterns that it has code for. */
  get events(): readonly string[] {
    return [...this.#handlers.keys()];
  }

  get spec(): SubscriptionSpec {
    return {
      subscriptionId: this.id,
      events: this.events,
      ordering: this.policy.ordering ?? this.defaults.ordering ?? "none",
      onOrderedFailure: this.policy.onOrderedFailure ?? this.defaults.onOrderedFailure ?? "park",
      aliases: this.policy.aliases ?? [],
    };
  }

  get consumeSpec(): ConsumeSpec {
    const concurrency = this.policy.concurrency ?? this.defaults.concurrency ?? DEFAULT_CONCURRENCY;
    return { ...this.spec, concurrency };
  }

  /** Whether the consumer was made with another policy: the file that subscribes was evaluated again. */
  get isOutdated(): boolean {
    const { consumedAs, consumeSpec } = this;
    return (
      consumedAs?.concurrency !== consumeSpec.concurrency ||
      consumedAs.ordering !== consumeSpec.ordering ||
      consumedAs.onOrderedFailure !== consumeSpec.onOrderedFailure
    );
  }

  /** Milliseconds that a run may take. Undefined: as long as it likes. */
  get timeoutMs(): number | undefined {
    return this.policy.timeoutMs ?? this.defaults.timeoutMs;
  }

  has(event: string): boolean {
    return this.#handlers.has(event);
  }

  /** Where the handler of an event was subscribed, if that is known. */
  originOf(event: string): Origin | undefined {
    return this.#origins.get(event);
  }

  add(event: string, handler: Subscriber, origin?: Origin): void {
    if (origin !== undefined) this.#origins.set(event, origin);
    this.#handlers.set(event, [...(this.#handlers.get(event) ?? []), handler]);
    this.#retired.delete(event);
    this.#found.clear();
  }

  /** Removes a handler from an event, or all of them. Returns whether there was one. */
  remove(event: string, handler: Subscriber | undefined): boolean {
    const handlers = this.#handlers.get(event) ?? [];
    const kept = handler === undefined ? [] : handlers.filter((known) => known !== handler);
    if (kept.length === handlers.length) return false;
    if (kept.length > 0) this.#handlers.set(event, kept);
    else {
      this.#handlers.delete(event);
      this.#origins.delete(event);
    }
    this.#found.clear();
    return true;
  }

  /** Takes events from it for good, with what waits of them. */
  retire(events: readonly string[]): void {
    for (const event of events) this.#retired.add(event);
  }

  /** Whether a run of this event is the last, however it ends: nobody would run it again. */
  isRetired(name: string): boolean {
    if (this.#retired.size === 0 || this.handlersFor(name).length > 0) return false;
    return [...this.#retired].some((event) => matchesPattern(event, name));
  }

  /** The functions to run for an event. Empty when this process has no code for it. */
  handlersFor(name: string): readonly Subscriber[] {
    const found = this.#found.get(name);
    if (found) return found;
    // A function on two patterns that fit is one function.
    const fitting = [...this.#handlers].filter(([event]) => matchesPattern(event, name));
    const handlers = [...new Set(fitting.flatMap(([, known]) => known))];
    if (this.#found.size >= REMEMBERED_NAMES) this.#found.clear();
    this.#found.set(name, handlers);
    return handlers;
  }
}
