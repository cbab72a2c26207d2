import type { Logger } from "@busbar/core";
import { createRouter, type Router, systemClock, type Timer } from "@busbar/core/provider";
import type { Listen } from "@busbar/sql";
import { Listener } from "@busbar/sql/feature";
import type { ActiveSubscription, ActiveSubscriptions } from "../contract/active-subscriptions.ts";
import type { WebhookSubscription } from "../contract/subscription.ts";
import type { WebhookEvent } from "../contract/webhook-event.ts";
import { compileFilter, type EventFilter } from "../filter/event-filter.ts";
import type { StoredSubscription } from "./subscription-rows.ts";
import type { SubscriptionStore } from "./subscription-store.ts";

/** What {@link SubscriptionIndex} needs. */
export interface SubscriptionIndexOptions {
  readonly store: SubscriptionStore;
  readonly logger: Logger;
  /** Hears of changes in other processes. They are found by polling as well. */
  readonly listen?: Listen | undefined;
  /**
   * Milliseconds between two looks at whether other processes have changed something.
   *
   * @default 1_000
   */
  readonly pollEveryMs?: number | undefined;
}

/**
 * The enabled subscriptions, in memory: what the router and `publish` ask for each event. A change of this process
 * holds at once, one of another process within a second.
 *
 * A subscription without a scope wants events of all scopes, and those without one. A subscription with a scope wants
 * the events of that scope only.
 */
export class SubscriptionIndex implements ActiveSubscriptions {
  readonly #store: SubscriptionStore;
  readonly #logger: Logger;
  readonly #pollEveryMs: number;
  readonly #listener: Listener | undefined;
  /** By id. */
  readonly #active = new Map<string, ActiveSubscription>();
  /** For each scope, which subscriptions want which events. */
  readonly #routers = new Map<string | null, Routed>();
  /** Which subscriptions want which events, whatever their scope is. */
  readonly #anyScope: Router = createRouter();
  readonly #callbacks = new Set<() => void>();
  #snapshots = 0;
  /** The last change of a subscription that was seen, of later ones: changes may be seen twice, and in any order. */
  readonly #seen = new Map<string, number>();
  /** All changes up to this one were read. */
  #revision = -1;
  /** The last change that was applied, whether or not those before it are known. */
  #applied = -1;
  #reading: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isStopped = false;
  #hasFailed = false;

  constructor({ store, logger, listen, pollEveryMs = 1_000 }: SubscriptionIndexOptions) {
    this.#store = store;
    this.#logger = logger;
    this.#pollEveryMs = pollEveryMs;
    this.#listener =
      listen &&
      new Listener({
        feature: "index of webhook subscriptions",
        listen,
        channel: store.channel,
        logger,
        onNotify: () => void this.#poll(),
        notify: () => store.announce(),
      });
  }

  get revision(): number {
    return Math.max(this.#revision, this.#applied);
  }

  hasRead(revision: number): boolean {
    return revision <= this.#revision;
  }

  get hasSnapshots(): boolean {
    return this.#snapshots > 0;
  }

  /** Reads all subscriptions, and begins to look for changes. Rejects if they cannot be read. */
  async start(): Promise<void> {
    await this.refresh();
    this.#listener?.start();
    this.#schedule();
  }

  /** Ends the looking for changes. Resolves when nothing is being read any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#listener?.stop();
    // A call of `refresh` that waits for the present reading begins another one.
    while (this.#reading) await this.#reading.catch(() => {});
  }

  /**
   * Reads what has changed. Afterwards every change holds that was committed before the call.
   *
   * Concurrent calls share what they read, unless it was begun before one of them.
   */
  async refresh(): Promise<void> {
    // What is being read may have begun before the change that the caller means.
    if (this.#reading) await this.#reading.catch(() => {});
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  /** Takes over a change of this process, whether or not the store can be read at the moment. */
  apply(stored: StoredSubscription): void {
    this.#apply([stored]);
  }

  wants(name: string): boolean {
    return this.#anyScope.match(name).length > 0;
  }

  matching(name: string, scope: string | null): readonly ActiveSubscription[] {
    const found: ActiveSubscription[] = [];
    this.#collect(found, name, null);
    if (scope !== null) this.#collect(found, name, scope);
    return found;
  }

  onChange(callback: () => void): () => void {
    // A function of its own: the same callback may be given twice.
    const own = (): void => callback();
    this.#callbacks.add(own);
    return () => this.#callbacks.delete(own);
  }

  #collect(found: ActiveSubscription[], name: string, scope: string | null): void {
    for (const id of this.#routers.get(scope)?.router.match(name) ?? []) {
      const active = this.#active.get(id);
      if (active) found.push(active);
    }
  }

  #apply(changes: readonly StoredSubscription[]): void {
    let hasChanged = false;
    for (const { subscription, revision } of changes) {
      const { id, enabled, deletedAt } = subscription;
      if (revision <= Math.max(this.#revision, this.#seen.get(id) ?? -1)) continue;
      hasChanged = true;
      this.#applied = Math.max(this.#applied, revision);
      this.#seen.set(id, revision);
      this.#remove(id);
      if (enabled && deletedAt === null) this.#add(subscription);
    }
    if (hasChanged) for (const callback of this.#callbacks) callback();
  }

  /** One that cannot be read gets no events: it is not to keep the others from theirs. */
  #add(subscription: WebhookSubscription): void {
    const { id, scope, events, filter, payload } = subscription;
    const routed = this.#routers.get(scope) ?? { router: createRouter(), size: 0 };
    try {
      routed.router.add(id, events);
    } catch (err) {
      const message = `Webhook subscription ${id} gets no events: one of its patterns cannot be read`;
      this.#logger.error({ err, subscriptionId: id }, message);
      return;
    }
    routed.size += 1;
    this.#routers.set(scope, routed);
    this.#anyScope.add(id, events);
    const compiled = filter === null ? undefined : compileFilter(filter);
    if (compiled && compiled.issues.length > 0) {
      const message = `Webhook subscription ${id} gets no events: its filter cannot be read`;
      this.#logger.error({ subscriptionId: id, issues: compiled.issues }, message);
    }
    if (payload === "emitted") this.#snapshots += 1;
    this.#active.set(id, this.#activeOf(subscription, compiled));
  }

  #remove(id: string): void {
    const before = this.#active.get(id);
    const routed = before && this.#routers.get(before.scope);
    if (!routed) return;
    this.#active.delete(id);
    routed.router.remove(id, before.events);
    routed.size -= 1;
    if (routed.size === 0) this.#routers.delete(before.scope);
    this.#anyScope.remove(id, before.events);
    if (before.payload === "emitted") this.#snapshots -= 1;
  }

  #activeOf(
    subscription: WebhookSubscription,
    compiled: EventFilter | undefined,
  ): ActiveSubscription {
    const { id, version, events, scope, orderingKey, payload } = subscription;
    const passes = (event: WebhookEvent): boolean => {
      try {
        return compiled === undefined || compiled.matches(event);
      } catch (err) {
        const message = `The filter of webhook subscription ${id} fails: it lets event ${event.id} not pass`;
        this.#logger.error({ err, subscriptionId: id, eventId: event.id }, message);
        return false;
      }
    };
    const hasFilter = compiled !== undefined;
    return { id, version, events, scope, orderingKey, payload, hasFilter, passes };
  }

  async #read(): Promise<void> {
    // First the revision: what is committed in between is read twice rather than never.
    const revision = await this.#store.revision();
    if (revision === this.#revision) return;
    const isFirst = this.#revision < 0;
    const stored = await (isFirst
      ? this.#store.enabled()
      : this.#store.changedSince(this.#revision));
    this.#apply(stored);
    this.#revision = revision;
    for (const [id, seen] of this.#seen) if (seen <= revision) this.#seen.delete(id);
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    this.#timer = systemClock.setTimeout(() => void this.#poll(), this.#pollEveryMs);
  }

  async #poll(): Promise<void> {
    try {
      await this.refresh();
      this.#hasFailed = false;
    } catch (err) {
      if (!this.#hasFailed && !this.#isStopped) {
        this.#logger.warn(
          { err },
          "The webhook subscriptions cannot be read at the moment: those known so far hold",
        );
      }
      this.#hasFailed = true;
    }
    this.#schedule();
  }
}

/** Which subscriptions of a scope want which events. */
interface Routed {
  readonly router: Router;
  /** How many subscriptions there are in it. */
  size: number;
}
