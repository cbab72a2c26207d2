import type { ConsumerHandle, ConsumeSpec, SubscriptionSpec } from "../contract/provider.ts";
import type {
  BatchOptions,
  BatchSubscriber,
  RateLimit,
  Subscriber,
  SubscriptionDefaults,
} from "../contract/subscriber.ts";
import { ReleaseDelivery } from "../errors/errors.ts";
import { matchesPattern } from "../provider/router.ts";
import type { BatchCollector } from "./batch-collector.ts";
import type { DeliveryRun } from "./delivery-run.ts";
import type { Origin } from "./hot-reload.ts";
import type { SubscriptionPolicy } from "./policy.ts";
import type { RateGate } from "./rate-gate.ts";

const DEFAULT_CONCURRENCY = 10;
const DEFAULT_BATCHES = 1;
/** Milliseconds for which an event is released that comes before its subscription is consumed in batches. */
const BATCHES_SOON_MS = 50;
/** Names may be made at run time: past this many, what was found for them is found again. */
const REMEMBERED_NAMES = 1000;

/** A subscription that this process has code for. */
export class Subscription {
  readonly id: string;
  policy: SubscriptionPolicy;
  /** Whether it ends with the wait for one event. */
  readonly isTemporary: boolean;
  /** What holds where the policy says nothing. */
  defaults: SubscriptionDefaults;
  paused = false;
  /** How many looks at what is paused had begun when it was declared. Undefined before. */
  declaredAfter: number | undefined;
  consumer: ConsumerHandle | undefined;
  /** What the consumer was made with. */
  consumedAs: (ConsumeSpec & { readonly way: string }) | undefined;
  /** Holds its runs back, if it has a rate and is consumed here. */
  gate: RateGate | undefined;
  /** Puts its events together, if it has batches and is consumed here. */
  collector: BatchCollector | undefined;
  readonly #handlers = new Map<string, readonly Subscriber[]>();
  readonly #origins = new Map<string, Origin>();
  readonly #found = new Map<string, readonly Subscriber[]>();
  /** Names and patterns that were taken from it for good. */
  readonly #retired = new Set<string>();

  constructor(
    id: string,
    policy: SubscriptionPolicy,
    defaults: SubscriptionDefaults,
    isTemporary: boolean = false,
  ) {
    this.id = id;
    this.policy = policy;
    this.defaults = defaults;
    this.isTemporary = isTemporary;
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
      ...(this.isTemporary && { temporary: true }),
    };
  }

  get consumeSpec(): ConsumeSpec {
    return { ...this.spec, concurrency: this.concurrency * (this.batch?.maxEvents ?? 1) };
  }

  /** Runs, or batches, at the same time in this process. */
  get concurrency(): number {
    const byDefault = this.batch ? DEFAULT_BATCHES : DEFAULT_CONCURRENCY;
    return this.policy.concurrency ?? this.defaults.concurrency ?? byDefault;
  }

  get batch(): BatchOptions | undefined {
    return this.policy.batch;
  }

  get rate(): RateLimit | undefined {
    return this.policy.rate ?? this.defaults.rate;
  }

  /** What stands between a consumer and the handlers. */
  get way(): string {
    return `${this.rate ? "rate" : ""} ${this.batch ? "batch" : ""}`;
  }

  /** Whether the consumer was made with another policy: the file that subscribes was evaluated again. */
  get isOutdated(): boolean {
    const { consumedAs, consumeSpec } = this;
    return (
      consumedAs?.concurrency !== consumeSpec.concurrency ||
      consumedAs.way !== this.way ||
      consumedAs.ordering !== consumeSpec.ordering ||
      consumedAs.onOrderedFailure !== consumeSpec.onOrderedFailure
    );
  }

  /** Milliseconds that a run, or the call of a batch, may take. Undefined: as long as it likes. */
  get timeoutMs(): number | undefined {
    return this.policy.timeoutMs ?? this.defaults.timeoutMs;
  }

  /** The same where it counts from the beginning of the run: an event waits for its batch as long as that takes. */
  get runTimeoutMs(): number | undefined {
    return this.policy.batch ? undefined : this.timeoutMs;
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

  /** Takes events from the subscription for good, with their pending deliveries. */
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
    const functions = [...new Set(fitting.flatMap(([, known]) => known))];
    const handlers = this.batch ? functions.map((it) => this.#joining(it)) : functions;
    if (this.#found.size >= REMEMBERED_NAMES) this.#found.clear();
    this.#found.set(name, handlers);
    return handlers;
  }

  /** Stands in for a handler of batches: its run ends with what becomes of its event in the batch. */
  #joining(handler: Subscriber): Subscriber {
    return (event, run) => {
      if (this.collector) {
        return this.collector.join(
          handler as unknown as BatchSubscriber,
          event,
          run as DeliveryRun,
        );
      }
      // The file that subscribes was evaluated again, and an earlier consumer delivers one event at a time.
      throw new ReleaseDelivery("The subscription is not consumed in batches yet", {
        delayMs: BATCHES_SOON_MS,
      });
    };
  }
}
