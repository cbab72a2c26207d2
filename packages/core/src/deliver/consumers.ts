import type { Clock, Timer } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type {
  ConsumerHandle,
  EventProvider,
  SubscriptionRegistry,
  SubscriptionSpec,
} from "../contract/provider.ts";
import type { Notices } from "../observe/notices.ts";
import { toDeliver } from "../provider/run-delivery.ts";
import { detached } from "../causality/causality.ts";
import type { DeliveryEngine } from "./engine.ts";
import type { Subscription } from "./subscription.ts";
import type { RemovedEvents } from "./subscriptions.ts";
import { quoted } from "../errors/quoted.ts";

/** Milliseconds between two declarations on a durable provider. */
const DECLARE_EVERY_MS = 60_000;
const RETRY_AFTER_MS = 1_000;
/** The bus goes on, so runs in flight may take their time. The longest that Node's own timers count. */
const UNTIL_ALL_HAVE_ENDED_MS = 2 ** 31 - 1;

/** What {@link Consumers} need. */
export interface ConsumersOptions {
  readonly provider: EventProvider;
  readonly subscriptions: Iterable<Subscription>;
  readonly engine: DeliveryEngine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly notices: Notices;
  /** False in a process that only emits. */
  readonly consumes: boolean;
  /** False in an operator's process: its subscriptions are not declared. */
  readonly declares: boolean;
  /** Whether the bus was given a name. With the default one, two applications may meet by accident. */
  readonly isNamed: boolean;
}

/** Keeps the provider informed of this process's subscriptions, and consumes them. */
export class Consumers {
  readonly #options: ConsumersOptions;
  /** Those that were warned of. */
  #orphans: ReadonlySet<string> = new Set();
  /** Changes are told to the provider one after the other, and the first of them is the start. */
  #changes: Promise<void>;
  #pending = 1;
  /** Settles once the provider knows all that `subscribe` was called for; undefined if it does. Written here only. */
  whenDeclared: Promise<void> | undefined;
  #endStart!: () => void;
  #timer: Timer | undefined;
  /** Ends the wait before a change is told again. */
  #endWait: (() => void) | undefined;
  /** Until then there is nobody to tell of changes: `start` tells of all. */
  #started = false;
  #closed = false;
  readonly #closings = new Set<Promise<void>>();
  /** The ids, earlier ones included, of subscriptions that are paused in every process. */
  #pausedEverywhere: ReadonlySet<string> = new Set();
  #looks = 0;

  constructor(options: ConsumersOptions) {
    this.#options = options;
    this.#changes = new Promise((resolve) => {
      this.#endStart = resolve;
    });
    this.whenDeclared = this.#changes;
  }

  /** Declares and consumes every subscription. Rejects when the provider does. */
  async start(): Promise<void> {
    const { subscriptions, provider, declares } = this.#options;
    this.#started = declares;
    try {
      if (!declares) return;
      if (!this.#options.isNamed) await this.#lookForStrangers();
      await this.#tell([...subscriptions]);
    } finally {
      this.#ended();
      this.#endStart();
    }
    if (provider.capabilities.durable) this.#declareLater();
  }

  /** Ends what happens in the background. What is being consumed goes on. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#endWait?.();
  }

  /**
   * Takes no new deliveries, and resolves once those in flight have ended, or were handed back after
   * `graceMs` milliseconds.
   */
  async drain(graceMs: number): Promise<void> {
    for (const subscription of this.#options.subscriptions) {
      void this.#release(subscription, graceMs);
    }
    // Those of subscriptions that were paused or unsubscribed may have runs in flight as well.
    while (this.#closings.size > 0) await Promise.all(this.#closings);
  }

  /** Tells the provider of subscriptions that are new or have new events, for as long as it takes. */
  changed(subscriptions: Iterable<Subscription>): void {
    void this.#enqueue(() => this.#tell([...subscriptions]));
  }

  /** Ends events, or whole subscriptions, in this process. */
  removed(removals: readonly RemovedEvents[]): void {
    for (const { subscription } of removals) {
      if (subscription.events.length === 0) this.ended(subscription);
    }
    void this.#enqueue(async () => {
      for (const { subscription, events } of removals) await this.#forget(subscription, events);
    });
  }

  /** Consumes no more of a subscription. Runs in flight end in the background. */
  ended(subscription: Subscription): void {
    void this.#release(subscription);
  }

  #ended(): void {
    this.#pending -= 1;
    if (this.#pending === 0) this.whenDeclared = undefined;
  }

  /** Takes no new deliveries, and resolves once those in flight have ended. */
  async pause(subscription: Subscription): Promise<void> {
    subscription.paused = true;
    await this.#release(subscription);
  }

  /** Resolves once deliveries come again. */
  resume(subscription: Subscription): Promise<void> {
    subscription.paused = false;
    return this.#enqueue(() => this.#consume(subscription));
  }

  /**
   * Reads which subscriptions are paused in every process, and pauses and resumes them here. Resolves once it has
   * begun, with the end of it: runs of what is paused have ended, and what is resumed is consumed.
   */
  async followPauses(): Promise<{ readonly done: Promise<unknown> }> {
    const { provider, subscriptions, consumes } = this.#options;
    const changes: Promise<void>[] = [];
    const own = [...subscriptions];
    if (!consumes || own.length === 0 || !provider.subscriptions?.setPaused) {
      return { done: Promise.all(changes) };
    }
    this.#looks += 1;
    const look = this.#looks;
    const listed = await provider.subscriptions.list();
    // What a look began later has found is newer.
    if (look !== this.#looks) return { done: Promise.all(changes) };
    const before = this.#pausedEverywhere;
    this.#pausedEverywhere = new Set(idsOf(listed.filter(({ paused }) => paused)));
    for (const subscription of own) {
      const isPaused = this.#pausedEverywhere.has(subscription.id);
      if (isPaused === before.has(subscription.id)) continue;
      const change = isPaused
        ? this.#release(subscription)
        : this.#enqueue(() => this.#consume(subscription));
      changes.push(change);
    }
    return { done: Promise.all(changes) };
  }

  #isPaused({ id, paused }: Subscription): boolean {
    return paused || this.#pausedEverywhere.has(id);
  }

  #enqueue(change: () => Promise<void>): Promise<void> {
    if (!this.#started) return Promise.resolve();
    this.#pending += 1;
    this.#changes = this.#changes
      .then(() => detached(() => this.#persist(change)))
      .finally(() => this.#ended());
    this.whenDeclared = this.#changes;
    return this.#changes;
  }

  async #persist(change: () => Promise<void>): Promise<void> {
    const { logger } = this.#options;
    while (!this.#closed) {
      try {
        return await change();
      } catch (err) {
        logger.warn({ err }, "The provider could not be told of a change of subscriptions yet");
        await this.#waitToRetry();
      }
    }
  }

  #waitToRetry(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve();
      const timer = this.#options.clock.setTimeout(resolve, RETRY_AFTER_MS);
      this.#endWait = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  async #tell(subscriptions: readonly Subscription[]): Promise<void> {
    const { provider } = this.#options;
    const known = subscriptions.filter(({ events }) => events.length > 0);
    if (known.length === 0) return;
    await provider.subscriptions?.declare(known.map(({ spec }) => spec));
    if (provider.capabilities.durable && this.#looks === 0) await this.followPauses();
    for (const subscription of known) {
      // A provider without a list learns of new events only by a new consumer, and every provider of another
      // policy. The old consumer may be running the very handler that waits for this, so it is closed in the
      // background.
      const isKept = provider.subscriptions !== undefined && !subscription.isOutdated;
      const outdated = isKept ? undefined : subscription.consumer;
      if (outdated) subscription.consumer = undefined;
      await this.#consume(subscription);
      if (outdated) void this.#close(outdated, subscription.id);
    }
  }

  async #forget(subscription: Subscription, events: readonly string[]): Promise<void> {
    const { provider } = this.#options;
    if (provider.capabilities.durable) return;
    if (provider.subscriptions) {
      await provider.subscriptions.retire(subscription.id, { events, backlog: "keep" });
    } else if (subscription.events.length > 0) {
      await this.#tell([subscription]);
    }
  }

  async #consume(subscription: Subscription): Promise<void> {
    const { provider, engine, consumes } = this.#options;
    if (!consumes || this.#isPaused(subscription) || subscription.consumer || this.#closed) return;
    const deliver = toDeliver((delivery, settle) => engine.run(subscription, delivery, settle));
    const spec = subscription.consumeSpec;
    subscription.consumedAs = spec;
    subscription.consumer = await provider.consume(spec, deliver);
    // Paused or unsubscribed meanwhile, when there was no consumer yet to close.
    const isOver = this.#isPaused(subscription) || subscription.events.length === 0;
    if (this.#closed) void this.#release(subscription, 0);
    else if (isOver) void this.#release(subscription);
  }

  async #release(subscription: Subscription, graceMs?: number): Promise<void> {
    const { consumer } = subscription;
    subscription.consumer = undefined;
    if (consumer) await this.#close(consumer, subscription.id, graceMs);
  }

  #close(
    consumer: ConsumerHandle,
    subscriberId: string,
    graceMs: number = UNTIL_ALL_HAVE_ENDED_MS,
  ): Promise<void> {
    const { logger } = this.#options;
    const closing = (async () => consumer.close({ graceMs }))()
      .catch((err: unknown) => {
        logger.error({ err, subscriberId }, "A consumer could not be closed");
      })
      .finally(() => this.#closings.delete(closing));
    this.#closings.add(closing);
    return closing;
  }

  #declareLater(): void {
    const { clock, logger, provider, subscriptions } = this.#options;
    const declare = async (): Promise<void> => {
      try {
        await provider.subscriptions?.declare([...subscriptions].map(({ spec }) => spec));
      } catch (err) {
        logger.warn({ err }, "Subscriptions could not be declared again; will try in a minute");
      }
      if (this.#closed) return;
      this.#declareLater();
      await this.#lookForOrphans();
    };
    this.#timer = clock.setTimeout(() => void declare(), DECLARE_EVERY_MS);
  }

  /** Before this process declares its own: what is listed then is of others, or of an earlier run. */
  async #lookForStrangers(): Promise<void> {
    const { logger, provider, subscriptions } = this.#options;
    const own = new Set(idsOf(Array.from(subscriptions, ({ spec }) => spec)));
    if (!provider.capabilities.durable || own.size === 0) return;
    const listed = await provider.subscriptions?.list().catch(() => undefined);
    const known = idsOf(listed?.filter(({ orphaned }) => !orphaned) ?? []);
    if (known.length === 0 || known.some((id) => own.has(id))) return;
    logger.warn(
      { subscriberIds: known },
      `Another application may use this name: provider "${provider.name}" has subscriptions, and none of them is of this process. Give each application a \`name\` of its own; events of one reach the other`,
    );
  }

  async #lookForOrphans(): Promise<void> {
    const { logger, notices, provider } = this.#options;
    try {
      if (!provider.subscriptions) return;
      this.#orphans = await warnOfOrphans(provider.subscriptions, this.#orphans, logger, notices);
    } catch (err) {
      logger.debug({ err }, "Orphaned subscriptions could not be looked for; will try in a minute");
    }
  }
}

function idsOf(subscriptions: readonly SubscriptionSpec[]): readonly string[] {
  return subscriptions.flatMap(({ subscriptionId, aliases }) => [subscriptionId, ...aliases]);
}

/**
 * Warns of subscriptions that get no new events, because no process declares them any more. Resolves
 * with their ids, for the next time.
 *
 * @param known - Those it was warned of before.
 * @param notices - Whose listeners hear of the others.
 */
async function warnOfOrphans(
  subscriptions: Pick<SubscriptionRegistry, "list">,
  known: ReadonlySet<string>,
  logger: Logger,
  notices: Notices,
): Promise<ReadonlySet<string>> {
  const orphans = (await subscriptions.list()).filter(({ orphaned }) => orphaned);
  for (const { subscriptionId: subscriberId, withheld, ...orphan } of orphans) {
    if (known.has(subscriberId)) continue;
    const lastSeenAt = new Date(orphan.lastSeenAt);
    notices.report("orphaned", () => ({ subscriberId, lastSeenAt, withheld }));
    logger.warn(
      { subscriberId, lastSeenAt, withheld },
      `Subscription ${quoted(subscriberId)} gets no new events: no process has declared it for long. Retire it, or start one with code for it`,
    );
  }
  return new Set(orphans.map(({ subscriptionId }) => subscriptionId));
}
