import type { Clock, Timer } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { ConsumerHandle, EventProvider } from "../contract/provider.ts";
import type { Notices } from "../observe/notices.ts";
import { detached } from "../causality/causality.ts";
import type { Intakes } from "./intakes.ts";
import type { Subscription } from "./subscription.ts";
import type { RemovedEvents } from "./subscriptions.ts";
import { OrphanWatch } from "./orphan-watch.ts";
import { idsOf, Pauses } from "./pauses.ts";
import { waitFor } from "../values/wait-for.ts";

/** Milliseconds between two declarations on a durable provider. */
const DECLARE_EVERY_MS = 60_000;
const RETRY_AFTER_MS = 1_000;
const UNTOLD = "The provider could not be told of a change of subscriptions yet";
/** The longest that a start, or an emit, waits until the provider has read its list. */
const LIST_AT_MOST_MS = 1_000;
/** The bus goes on, so runs in flight may take their time. The longest that Node's own timers count. */
const UNTIL_ALL_HAVE_ENDED_MS = 2 ** 31 - 1;

/** What {@link Consumers} need. */
export interface ConsumersOptions {
  readonly provider: EventProvider;
  readonly subscriptions: Iterable<Subscription>;
  readonly intakes: Intakes;
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
  readonly #orphans: OrphanWatch;
  /** Changes are told to the provider one after the other, and the first of them is the start. */
  #changes: Promise<void>;
  #pending = 1;
  /** Settles once the provider knows all that `subscribe` was called for; undefined if it does. Written here only. */
  whenDeclared: Promise<void> | undefined;
  #endStart!: () => void;
  #timer: Timer | undefined;
  /** Each ends a wait. */
  readonly #endWaits = new Set<() => void>();
  /** Until then there is nobody to tell of changes: `start` tells of all. */
  #started = false;
  #closed = false;
  /** Consumers that are being closed, and the ids of their subscriptions. */
  readonly #closings = new Map<Promise<void>, string>();
  /** The consumer that is being opened: one at a time. */
  #opening: { readonly id: string; readonly ended: Promise<unknown> } | undefined;
  readonly #pauses: Pauses;
  /** Whether the pauses are being read again, as the provider has not said them. */
  #isCatchingUp = false;
  /** What the next change that begins will tell the provider of. */
  #untold: Set<Subscription> | undefined;

  constructor(options: ConsumersOptions) {
    this.#options = options;
    this.#pauses = new Pauses(options.provider);
    this.#orphans = new OrphanWatch(options);
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

  /** Ends what happens in the background. What is being consumed goes on, for `graceMs` milliseconds at most. */
  close(graceMs: number): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const end of this.#endWaits) end();
    this.#options.intakes.end(graceMs);
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
    while (this.#closings.size > 0) await Promise.all(this.#closings.keys());
  }

  /** Tells the provider of subscriptions that are new or have new events, for as long as it takes. */
  changed(subscriptions: Iterable<Subscription>): void {
    if (this.#untold) {
      for (const subscription of subscriptions) this.#untold.add(subscription);
      return;
    }
    const untold = new Set(subscriptions);
    // Many calls of `subscribe` are one change.
    if (this.#started) this.#untold = untold;
    void this.#enqueue(() => {
      if (this.#untold === untold) this.#untold = undefined;
      return this.#tell([...untold]);
    });
  }

  /** Ends events, or whole subscriptions, in this process. */
  removed(removals: readonly RemovedEvents[]): void {
    // What is subscribed from now on must be told after this.
    this.#untold = undefined;
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
    await this.#quieten(subscription);
  }

  /** Resolves once deliveries come again, or it is known that the subscription is paused in every process. */
  async resume(subscription: Subscription): Promise<void> {
    subscription.paused = false;
    const followed = await this.#persist(
      () => this.followPauses(subscription.id),
      "A subscription could not be resumed yet",
    );
    await followed?.done;
  }

  /**
   * Reads which subscriptions are paused in every process, and pauses and resumes them here. Resolves once that has
   * begun.
   *
   * @param subscriberId - The subscription that `done` is about. Its id may be an earlier one.
   * @returns `done` resolves once all runs of the subscription have ended if it is paused, or else once it is consumed.
   */
  async followPauses(subscriberId?: string): Promise<{ readonly done: Promise<unknown> }> {
    const { subscriptions, consumes } = this.#options;
    const changes: Promise<void>[] = [];
    if (consumes && this.#started && !isEmpty(subscriptions)) await this.#pauses.look();
    for (const subscription of consumes ? subscriptions : []) {
      const { id, consumer } = subscription;
      const isAsked = subscriberId !== undefined && this.#pauses.areOne(id, subscriberId);
      if (this.#pauses.has(id)) {
        const ended = this.#quieten(subscription);
        if (isAsked) changes.push(ended);
      } else if (isAsked || (!consumer && this.#mayConsume(subscription))) {
        const consumed = this.#enqueue(() => this.#consume(subscription));
        if (isAsked) changes.push(consumed);
      }
    }
    return { done: Promise.all(changes) };
  }

  /** Whether nothing keeps a subscription from being consumed here. Not before it is known that nothing does. */
  #mayConsume({ id, paused, events, declaredAfter }: Subscription): boolean {
    if (!this.#options.consumes || this.#closed || paused || events.length === 0) return false;
    if (declaredAfter === undefined || !this.#pauses.areKnownSince(declaredAfter)) return false;
    return !this.#pauses.has(id);
  }

  #enqueue(change: () => Promise<void>): Promise<void> {
    if (!this.#started) return Promise.resolve();
    this.#pending += 1;
    this.#changes = this.#changes
      .then(() => detached(() => this.#persist(change, UNTOLD)))
      .finally(() => this.#ended());
    this.whenDeclared = this.#changes;
    return this.#changes;
  }

  /** Repeats what fails until it succeeds. Resolves with undefined when that ends first. */
  async #persist<T>(change: () => Promise<T>, failed: string): Promise<T | undefined> {
    const { logger } = this.#options;
    while (!this.#closed) {
      try {
        return await change();
      } catch (err) {
        logger.warn({ err }, failed);
        await this.#wait(RETRY_AFTER_MS);
      }
    }
    return undefined;
  }

  /** Resolves when `promise` settles, after `limitMs` milliseconds, or when the bus stops: whichever comes first. */
  async #wait(limitMs: number, promise?: Promise<unknown>): Promise<void> {
    if (this.#closed) return;
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
      promise?.then(end, end);
    });
    this.#endWaits.add(end);
    await waitFor(this.#options.clock, ended, limitMs);
    this.#endWaits.delete(end);
  }

  async #tell(subscriptions: readonly Subscription[]): Promise<void> {
    const { provider, consumes } = this.#options;
    const known = subscriptions.filter(({ events }) => events.length > 0);
    if (known.length === 0) return;
    await provider.subscriptions?.declare(known.map(({ spec }) => spec));
    const unconsumed = known.filter(({ consumer }) => !consumer);
    for (const subscription of unconsumed) subscription.declaredAfter = this.#pauses.begun;
    if (consumes && unconsumed.some(({ paused }) => !paused)) await this.#learnPauses();
    for (const subscription of known) {
      // A provider without a list learns of new events only by a new consumer, and every provider of another
      // policy. The old consumer may be running the very handler that waits for this, so it is closed in the
      // background.
      const isKept = provider.subscriptions !== undefined && !subscription.isOutdated;
      const outdated = isKept ? undefined : subscription.consumer;
      if (outdated) subscription.consumer = undefined;
      try {
        await this.#consume(subscription);
      } finally {
        if (outdated) void this.#close(outdated, subscription.id);
      }
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

  /**
   * Waits a moment until the provider has said what is paused in every process. If it does not, the start and emits go
   * on, and subscriptions that are not consumed yet are consumed once it has.
   */
  async #learnPauses(): Promise<void> {
    const { logger } = this.#options;
    let isKnown = false;
    let err: unknown;
    const looked = this.#pauses.look().then(
      () => (isKnown = true),
      (error: unknown) => (err = error),
    );
    await this.#wait(LIST_AT_MOST_MS, looked);
    if (isKnown || this.#isCatchingUp || this.#closed) return;
    logger.warn(
      { err },
      "New subscriptions are not consumed yet: the provider has not said which ones are paused in every process",
    );
    this.#isCatchingUp = true;
    void detached(() => this.#catchUp());
  }

  async #catchUp(): Promise<void> {
    await this.#wait(RETRY_AFTER_MS);
    const follow = async (): Promise<unknown> => this.followPauses();
    await this.#persist(follow, "What is paused in every process could not be read yet");
    this.#isCatchingUp = false;
  }

  async #consume(subscription: Subscription): Promise<void> {
    if (!this.#mayConsume(subscription) || subscription.consumer) return;
    const opened = this.#open(subscription);
    const opening = { id: subscription.id, ended: opened.catch(() => {}) };
    this.#opening = opening;
    try {
      await opened;
    } finally {
      this.#opening = undefined;
    }
  }

  async #open(subscription: Subscription): Promise<void> {
    const { provider, intakes } = this.#options;
    const spec = subscription.consumeSpec;
    const intake = await intakes.open(subscription);
    subscription.consumedAs = { ...spec, way: subscription.way };
    try {
      subscription.consumer = intake.closing(await provider.consume(spec, intake.deliver));
    } catch (error) {
      intake.close();
      throw error;
    }
    // Paused or unsubscribed meanwhile, when there was no consumer yet to close.
    if (this.#closed) void this.#release(subscription, 0);
    else if (!this.#mayConsume(subscription)) void this.#release(subscription);
  }

  /** Takes no new deliveries, and resolves once all runs in flight have ended: also those of earlier consumers. */
  async #quieten(subscription: Subscription): Promise<void> {
    void this.#release(subscription);
    if (this.#opening?.id === subscription.id) await this.#opening.ended;
    const closings = [...this.#closings].filter(([, id]) => id === subscription.id);
    await Promise.all(closings.map(([closed]) => closed));
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
    this.#closings.set(closing, subscriberId);
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
      await this.#orphans.look();
    };
    this.#timer = clock.setTimeout(() => void declare(), DECLARE_EVERY_MS);
  }

  /** Before this process declares its own: what is listed then is of others, or of an earlier run. */
  async #lookForStrangers(): Promise<void> {
    const { logger, provider, subscriptions } = this.#options;
    const own = new Set(Array.from(subscriptions, ({ spec }) => idsOf(spec)).flat());
    if (!provider.capabilities.durable || !provider.subscriptions || own.size === 0) return;
    let known: readonly string[] = [];
    const listed = provider.subscriptions.list().then((all) => {
      known = all.filter(({ orphaned, temporary }) => !orphaned && !temporary).flatMap(idsOf);
    });
    await this.#wait(LIST_AT_MOST_MS, listed);
    if (known.length === 0 || known.some((id) => own.has(id))) return;
    logger.warn(
      { subscriberIds: known },
      `Another application may use this name: provider "${provider.name}" has subscriptions, and none of them is of this process. Give each application a \`name\` of its own; events of one reach the other`,
    );
  }
}

function isEmpty(iterable: Iterable<unknown>): boolean {
  return iterable[Symbol.iterator]().next().done === true;
}
