import assert from "node:assert/strict";
import type {
  ConsumeSpec,
  DeadDelivery,
  Envelope,
  EventProvider,
  ProviderAdmin,
  ProviderReport,
  PublishOptions,
  PublishResult,
  SubscriptionRegistry,
  SubscriptionSpec,
  SubscriptionStats,
} from "@busbar/core/provider";
import { EVENT, envelope } from "./builders.ts";
import { type Handler, Inbox } from "./inbox.ts";
import type { ExpectedNumbers, Numbers } from "./numbers.ts";
import type { Waiting } from "./waiting.ts";

/** A started provider, as a process would have one. */
export class Instance {
  readonly provider: EventProvider;
  readonly reports: readonly ProviderReport[];
  readonly #waiting: Waiting;
  readonly #numbers: Numbers;
  readonly #quietMs: number;
  readonly #publishMs: number;
  #markers = 0;

  constructor(
    provider: EventProvider,
    reports: readonly ProviderReport[],
    waiting: Waiting,
    numbers: Numbers,
    timing: { readonly quietMs: number; readonly publishMs: number },
  ) {
    this.provider = provider;
    this.reports = reports;
    this.#waiting = waiting;
    this.#numbers = numbers;
    this.#quietMs = timing.quietMs;
    this.#publishMs = timing.publishMs;
  }

  /** The subscription list; cases that use it require it. */
  get registry(): SubscriptionRegistry {
    assert.ok(this.provider.subscriptions, "the provider has a subscription list");
    return this.provider.subscriptions;
  }

  /** Backlog and dead letters; cases that use it require it. */
  get admin(): ProviderAdmin {
    assert.ok(this.provider.admin, "the provider has an admin part");
    return this.provider.admin;
  }

  async declare(...specs: readonly SubscriptionSpec[]): Promise<void> {
    await this.#waiting.for("declare", this.registry.declare(specs));
  }

  /** Declares a subscription where there is a list, and consumes it, as the bus does. */
  async consume(spec: ConsumeSpec, handler?: Handler): Promise<Inbox> {
    const inbox = new Inbox(spec, handler, this.#waiting);
    const { concurrency: _, ...declared } = spec;
    await this.#waiting.for("declare", this.provider.subscriptions?.declare([declared]) ?? done());
    inbox.handle = await this.#waiting.for("consume", this.provider.consume(spec, inbox.deliver));
    return inbox;
  }

  /** Publishes at once, if the provider does; cases that use it require that it can. */
  tryPublish(...batch: readonly Envelope[]): readonly PublishResult[] | undefined {
    const results = this.provider.tryPublish?.(batch);
    if (results === undefined) return undefined;
    assert.ok(Array.isArray(results), "tryPublish answers at once");
    assert.equal(results.length, batch.length, "tryPublish answers once per envelope");
    const refused = results.filter(({ status }) => status === "rejected");
    assert.deepEqual(refused, [], "tryPublish accepts the whole batch, or does nothing");
    return results;
  }

  /** Publishes, and resolves with whatever the provider answers. */
  async answers(
    batch: readonly Envelope[],
    options: Partial<PublishOptions> = {},
  ): Promise<readonly PublishResult[]> {
    const deadline = performance.now() + this.#publishMs;
    const results = await this.#waiting.for(
      `the publish of ${batch.length} envelopes`,
      this.provider.publish(batch, { deadline, inHandler: false, ...options }),
    );
    if (this.provider.capabilities.wholeBatches) {
      const refused = results.filter(({ status }) => status === "rejected").length;
      assert.ok(refused === 0 || refused === batch.length, "a batch is taken as a whole or not");
    }
    return results;
  }

  /** Publishes, and insists that each envelope is accepted. */
  async publish(...batch: readonly Envelope[]): Promise<readonly PublishResult[]> {
    const results = await this.answers(batch);
    assert.equal(results.length, batch.length, "publish answers once per envelope");
    for (const result of results) {
      assert.equal(result.status, "accepted", `publish accepts: ${JSON.stringify(result)}`);
    }
    return results;
  }

  /** A subscription's numbers; zeros if the provider does not know it. */
  async stats(subscriptionId: string): Promise<SubscriptionStats> {
    const all = await this.admin.stats();
    const found = all.filter((entry) => entry.subscriptionId === subscriptionId);
    assert.ok(found.length <= 1, `stats name "${subscriptionId}" once`);
    return found[0] ?? { subscriptionId, ready: 0, delayed: 0, inFlight: 0, dead: 0 };
  }

  /** Resolves once a subscription's numbers are these. */
  async hasStats(subscriptionId: string, expected: ExpectedNumbers): Promise<void> {
    let last: object | undefined;
    await this.#numbers.eventually(
      () => `stats ${JSON.stringify(expected)} (they were ${JSON.stringify(last)})`,
      async () => {
        last = await this.stats(subscriptionId);
        return this.#numbers.match(last, expected);
      },
    );
  }

  /** Passes if a subscription's numbers are these now, or soon where they lag behind. */
  async showsStats(
    subscriptionId: string,
    expected: ExpectedNumbers,
    why: string = "",
  ): Promise<void> {
    if (!this.#numbers.areExact) return this.hasStats(subscriptionId, expected);
    const stats = await this.stats(subscriptionId);
    const message = `stats ${JSON.stringify(stats)} are ${JSON.stringify(expected)} ${why}`;
    assert.ok(this.#numbers.match(stats, expected), message);
  }

  /** All dead letters of a subscription. */
  async dead(subscriptionId: string): Promise<readonly DeadDelivery[]> {
    const all: DeadDelivery[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.admin.listDead(subscriptionId, { limit: 100, cursor });
      all.push(...page.items);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return all;
  }

  /** Resolves with the dead letters of a subscription once it has that many. */
  async hasDead(subscriptionId: string, count: number): Promise<readonly DeadDelivery[]> {
    let letters: readonly DeadDelivery[] = [];
    await this.#waiting.eventually(
      () => `${count} dead letters of "${subscriptionId}" (there were ${letters.length})`,
      async () => {
        letters = await this.dead(subscriptionId);
        return letters.length >= count;
      },
    );
    assert.equal(letters.length, count, `"${subscriptionId}" has that many dead letters`);
    return letters;
  }

  /**
   * Resolves once an event that was published behind everything else has come, and some silence after
   * it: whatever has not come by then is not on its way.
   */
  async nothingMore(inbox: Inbox, name: string = EVENT): Promise<void> {
    const marker = envelope(`marker-${++this.#markers}`, { name });
    await this.publish(marker);
    await inbox.has([marker.id]);
    await this.silence();
  }

  /** For what no event can stand behind. Documented where it is used. */
  async silence(): Promise<void> {
    await new Promise<void>((resolve) => setTimeout(resolve, this.#quietMs));
  }

  async stop(graceMs = 1_000): Promise<void> {
    await this.#waiting.for("stop", this.provider.stop({ graceMs }));
  }
}

function done(): Promise<void> {
  return Promise.resolve();
}
