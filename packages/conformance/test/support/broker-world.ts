import { EventEmitter } from "node:events";
import {
  type Clock,
  type ConsumerHandle,
  type ConsumeSpec,
  type Delivery,
  type Envelope,
  type GroupClaim,
  matchesPattern,
  type ProviderReport,
  type PublishResult,
  type Settlement,
  type SharedRates,
  type SubscriptionSpec,
  systemClock,
} from "@busbar/core/provider";
import {
  createMemoryProvider,
  type DeliveryChannel,
  MemoryGroupStaging,
  type MemoryProvider,
} from "@busbar/core/memory";
import type { Mistake } from "./broker-protocol.ts";
import { createMapBoard } from "./map-board.ts";
import { createMapRates } from "./map-rates.ts";

/** What the first client of a namespace brings with it. */
export interface WorldOptions {
  readonly deadLetters: { readonly maxPerSubscription: number; readonly maxAgeMs: number };
  readonly orphanedAfterMs: number;
}

/** Who has a delivery in hand. */
export interface Holder {
  /** Null: it ended unsettled. */
  settle(settlement: Settlement | null): void;
}

const log = (): void => {};

type Methods = Record<string, (...given: readonly unknown[]) => unknown>;

/** All that the broker keeps of one namespace. */
export class BrokerWorld {
  readonly #provider: MemoryProvider;
  readonly #groups: MemoryGroupStaging;
  readonly #board = createMapBoard();
  readonly #rates = createMapRates()();
  readonly #started: Promise<void>;
  readonly #options: WorldOptions;
  readonly #mistakes: ReadonlySet<Mistake>;
  readonly #listeners = new Set<(report: ProviderReport) => void>();
  /** Set while a publish goes to these subscriptions only. */
  #isUnordered = false;
  /** Whether somebody has declared that a dead letter does not block its key. */
  #parks = false;
  readonly #earlierIds = new Set<string>();
  #only: readonly string[] | null | undefined;
  /** Who has an event of a subscription in hand. */
  readonly holders = new Map<string, Holder>();
  /** How far the clock is ahead of that of the machine, in milliseconds. */
  #aheadMs = 0;
  readonly #clock: Clock = {
    now: () => systemClock.now() + this.#aheadMs,
    monotonic: () => systemClock.monotonic() + this.#aheadMs,
    setTimeout: (...args) => systemClock.setTimeout(...args),
  };
  readonly #seen = new Map<
    string,
    { spec: SubscriptionSpec; at: number; orphaned: boolean; withheld: number }
  >();

  constructor(options: WorldOptions, mistakes: ReadonlySet<Mistake>) {
    this.#options = options;
    this.#mistakes = mistakes;
    this.#provider = createMemoryProvider({ name: "broker", channel: this.#channel() });
    this.#groups = new MemoryGroupStaging({
      clock: this.#clock,
      publish: (envelopes, publishOptions) => this.#provider.publish(envelopes, publishOptions),
    });
    this.#started = this.#provider.start({
      logger: { debug: log, info: log, warn: log, error: log },
      clock: this.#clock,
      namespace: "broker",
      instanceId: "broker",
      ...options,
      report: (report) => {
        for (const listener of this.#listeners) listener(report);
      },
    });
  }

  join(listener: (report: ProviderReport) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#mistakes.has("forgets groups with their instance")) this.#groups.close();
    };
  }

  async consume(
    spec: ConsumeSpec,
    deliver: (delivery: Delivery) => Promise<Settlement>,
  ): Promise<ConsumerHandle> {
    await this.#started;
    return this.#provider.consume({ ...spec, ...this.#declare([spec])[0] }, deliver);
  }

  /** @param clientNow What the wall clock of the client says. */
  async call(method: string, args: readonly unknown[], clientNow: number): Promise<unknown> {
    await this.#started;
    if (this.#mistakes.has("takes the time from its clients")) {
      this.#aheadMs = clientNow - systemClock.now();
    }
    switch (method) {
      case "publish":
        return this.#publish(...(args as [readonly Envelope[], readonly string[] | undefined]));
      case "declare":
        return this.#provider.subscriptions.declare(
          this.#declare(args[0] as readonly SubscriptionSpec[]),
        );
      case "list":
        return this.#list();
      case "stage":
        return this.#stage(...(args as Parameters<MemoryGroupStaging["stage"]>));
      case "complete":
        return this.#complete(args as never);
      case "claim":
        return (await this.#claim(args[0] as never)) ?? null;
      default:
        return this.#other(method, args);
    }
  }

  async stop(): Promise<void> {
    this.#groups.close();
    await this.#provider.stop({ graceMs: 0 });
  }

  #other(method: string, args: readonly unknown[]): unknown {
    const [part, ofBoard] = method.split(".");
    if (part === "board") {
      // JSON has no undefined.
      const given = args.map((it) => it ?? undefined);
      return (this.#board as unknown as Methods)[ofBoard as string]?.(...given);
    }
    if (part === "rates") {
      // One that is made for the call counts this call alone.
      const rates = this.#mistakes.has("counts no runs") ? createMapRates()() : this.#rates;
      return rates.reserve(...(args as Parameters<SharedRates["reserve"]>));
    }
    const { subscriptions, admin } = this.#provider;
    if (method === "listGroups") return this.#groups.list();
    if (method === "retire") this.#retired(...(args as [string, { events?: readonly string[] }]));
    for (const methods of [subscriptions, admin, this.#groups] as unknown as Methods[]) {
      if (method in methods) return methods[method]?.(...args);
    }
    throw new TypeError(`No such method: ${method}`);
  }

  async #publish(
    batch: readonly Envelope[],
    only: readonly string[] | undefined,
  ): Promise<readonly PublishResult[]> {
    await this.#orphan();
    this.#withhold(batch);
    this.#only = only;
    if (this.#mistakes.has("keeps no order once somebody declares none") && this.#isUnordered) {
      for (const envelope of batch) delete (envelope as { orderingKey?: string }).orderingKey;
    }
    // The memory provider places what has room at once.
    const results = this.#provider.publish(batch, { deadline: Infinity, inHandler: true });
    this.#only = undefined;
    return results;
  }

  #channel(): DeliveryChannel {
    const channel = new EventEmitter();
    return {
      on: (id, listener) => channel.on(id, listener),
      off: (id, listener) => channel.off(id, listener),
      emit: (id, envelope) =>
        !this.#only || this.#only.includes(id) ? channel.emit(id, envelope) : false,
    };
  }

  /** Returns what is declared, as this broker understands it. */
  #declare(given: readonly SubscriptionSpec[]): readonly SubscriptionSpec[] {
    const specs = given.map((spec) => this.#understood(spec));
    for (const spec of specs) {
      this.#isUnordered ||= spec.ordering === "none";
      const events = [
        ...new Set([...(this.#seen.get(spec.subscriptionId)?.spec.events ?? []), ...spec.events]),
      ];
      this.#seen.set(spec.subscriptionId, {
        spec: { ...spec, events },
        at: this.#clock.monotonic(),
        orphaned: false,
        withheld: this.#seen.get(spec.subscriptionId)?.withheld ?? 0,
      });
      for (const alias of spec.aliases) this.#seen.delete(alias);
    }
    return specs;
  }

  #understood(spec: SubscriptionSpec): SubscriptionSpec {
    this.#parks ||= spec.ordering !== "none" && spec.onOrderedFailure === "park";
    for (const alias of spec.aliases) this.#earlierIds.add(alias);
    const parks = this.#parks && this.#mistakes.has("parks every failure once somebody parks them");
    if (parks) return { ...spec, onOrderedFailure: "park" };
    const isEarlier =
      this.#earlierIds.has(spec.subscriptionId) &&
      this.#mistakes.has("passes over what an earlier id declares");
    return isEarlier ? { ...spec, ordering: "none", onOrderedFailure: "park" } : spec;
  }

  #retired(id: string, { events }: { readonly events?: readonly string[] | undefined }): void {
    const entry = this.#seen.get(id);
    if (!entry) return;
    const left = events ? entry.spec.events.filter((event) => !events.includes(event)) : [];
    if (left.length === 0) this.#seen.delete(id);
    else entry.spec = { ...entry.spec, events: left };
  }

  /** Takes those that nobody has declared for too long out of the routing. */
  async #orphan(): Promise<void> {
    if (this.#mistakes.has("never sees an orphan")) return;
    for (const [id, entry] of this.#seen) {
      if (entry.orphaned || this.#clock.monotonic() - entry.at < this.#options.orphanedAfterMs)
        continue;
      entry.orphaned = true;
      await this.#provider.subscriptions.retire(id, { backlog: "keep" });
    }
  }

  #withhold(batch: readonly Envelope[]): void {
    if (this.#mistakes.has("does not count what it withholds")) return;
    for (const entry of this.#seen.values()) {
      const wanted = batch.filter(({ name }) =>
        entry.spec.events.some((pattern) => matchesPattern(pattern, name)),
      );
      if (entry.orphaned) entry.withheld += wanted.length;
    }
  }

  async #list(): Promise<unknown> {
    await this.#orphan();
    const known = await this.#provider.subscriptions.list();
    const orphans = [...this.#seen.values()].filter(({ orphaned }) => orphaned);
    return [
      ...known.map((it) => {
        return { ...it, withheld: this.#seen.get(it.subscriptionId)?.withheld ?? 0 };
      }),
      ...orphans.map(({ spec, at, withheld }) => {
        return { ...spec, lastSeenAt: at, orphaned: true, withheld };
      }),
    ];
  }

  async #stage(...[id, events, { ttlMs }]: Parameters<MemoryGroupStaging["stage"]>): Promise<void> {
    const forgets = this.#mistakes.has("lets no group expire");
    await this.#groups.stage(id, events, { ttlMs: forgets ? undefined : ttlMs });
    if (ttlMs === undefined || !this.#mistakes.has("lets marked groups expire")) return;
    setTimeout(() => void this.#groups.clear(id, {}), ttlMs).unref();
  }

  async #claim(options: {
    eventGroupId?: string;
    leaseMs: number;
  }): Promise<GroupClaim | undefined> {
    const claim = await this.#groups.claim(options);
    if (claim && this.#mistakes.has("gives a group to two claims")) {
      // Each claim is good, as if there were no lease.
      await this.#groups.abandon(claim);
    }
    return claim;
  }

  async #complete([claim, envelopes]: [GroupClaim, readonly Envelope[]]): Promise<
    readonly PublishResult[]
  > {
    // That of the client is on the scale of another process.
    const options = { deadline: Infinity, inHandler: true };
    if (this.#mistakes.has("gives a group to two claims")) {
      const [result] = [await this.#provider.publish(envelopes, options)];
      await this.#groups.clear(claim.eventGroupId, {});
      return result;
    }
    if (!this.#mistakes.has("keeps what an interceptor dropped")) {
      return this.#groups.complete(claim, envelopes, options);
    }
    const results = await this.#groups.complete(claim, envelopes, options);
    const published = new Set(envelopes.map(({ id }) => id));
    const left = claim.events.filter(({ envelope }) => !published.has(envelope.id));
    await this.#groups.stage(claim.eventGroupId, left, { ttlMs: undefined });
    return results;
  }
}
