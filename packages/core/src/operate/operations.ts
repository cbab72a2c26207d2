import type { Clock, Timer } from "../contract/clock.ts";
import type { EventCatalogue } from "../contract/catalogue.ts";
import type {
  Page,
  ProviderAdmin,
  RegisteredSubscription,
  RetiredBacklog,
  SubscriptionRegistry,
} from "../contract/provider.ts";
import type { SettlementTracker } from "../causality/settlement-tracker.ts";
import type { Consumers } from "../deliver/consumers.ts";
import type { Subscriptions } from "../deliver/subscriptions.ts";
import { unsupported } from "../emit/support.ts";
import { BusbarError, isBusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";
import {
  assertOptions,
  assertText,
  checkText,
  checkTexts,
  nearestHint,
  oneOf,
  wholeFrom,
} from "../values/arguments.ts";
import { isOwn } from "../values/json.ts";
import { matchesPattern } from "../provider/router.ts";
import { assertDeadLetterRoom, type DeadLettering } from "./dead-letter-room.ts";
import { type Explanation, explain } from "./explain.ts";
import { InstanceReporter, type InstanceReporterOptions } from "./instance-reporter.ts";
import { type InspectedInstance, inspectInstances } from "../admin/instances.ts";
import type { Notices } from "../observe/notices.ts";
import { tailOfBoard, tailOfProcess } from "./tail.ts";
import type { TailEntry } from "./tail-entries.ts";
import { TailFeed } from "./tail-feed.ts";
import { type ListWaiting, type WaitingEvent, waitingPage } from "./waiting.ts";

const PAGE_SIZE = 100;
/** Milliseconds between two reports, and between two looks at what is paused everywhere. */
const REPORT_EVERY_MS = 5_000;

/** Options of {@link EventBus.retire}. */
export interface RetireOptions {
  /** The events to take from the subscription. All of it by default. */
  readonly events?: readonly string[] | undefined;
  /**
   * What becomes of deliveries that wait: `dead-letter` (reason `retired`) keeps them within reach,
   * `discard` deletes them, `keep` leaves them for a later subscriber of the same id. `dead-letter` drops no dead
   * letter to make room: see {@link EventBus.retire}.
   *
   * @default "dead-letter"
   */
  readonly backlog?: RetiredBacklog | undefined;
}

/** Options of {@link EventBus.drain}. */
export interface DrainOptions {
  /**
   * What becomes of the deliveries: `dead-letter` (reason `drained`) keeps them, so that they can be replayed.
   * `discard` deletes them. `dead-letter` drops no dead letter to make room: see {@link EventBus.drain}.
   *
   * @default "dead-letter"
   */
  readonly backlog?: Exclude<RetiredBacklog, "keep"> | undefined;
}

/** Options of {@link EventBus.cancel}. */
export interface CancelOptions {
  /** Cancels the delivery to this subscription only. By default every delivery of the event is cancelled. */
  readonly subscriberId?: string | undefined;
}

/** What {@link Operations} need. */
export interface OperationsOptions extends Omit<InstanceReporterOptions, "onWatched"> {
  readonly clock: Clock;
  readonly subscriptions: Subscriptions;
  readonly consumers: Consumers;
  readonly catalogue: Pick<EventCatalogue<object>, "schemas"> | undefined;
  readonly notices: Notices;
  /** Where groups are kept, if no plugin and no provider keeps them. */
  readonly groups: { cancel(eventId: string): Promise<number> };
  /** Present where every delivery runs in this process. */
  readonly tracker: SettlementTracker | undefined;
  /** How many dead letters a subscription keeps. */
  readonly maxDeadLetters: number;
}

/** What a bus does for the people who operate it. Loaded when it is used, as most programs never do. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #reporter: InstanceReporter;
  readonly #feed: TailFeed;
  readonly #end = new AbortController();
  #timer: Timer | undefined;
  #reporting: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;
  /** Whether a warning says that the board cannot be read. */
  #isBoardMissed = false;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#feed = new TailFeed(options);
    const { board } = options.provider;
    const onWatched = (watched: boolean): void => this.#feed.showOn(watched ? board : undefined);
    this.#reporter = new InstanceReporter({ ...options, onWatched });
  }

  /** Shows other processes what this instance does, and follows what they have paused, from now on. Never rejects. */
  async start(): Promise<void> {
    const { provider, role } = this.#options;
    // A tool reports nothing, so it is not told whether anybody watches: it shows the little that it does.
    if (role === "tool") this.#feed.showOn(provider.board);
    else await this.#report();
  }

  /** Ends every tail, and what `start` began. Never rejects. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#end.abort();
    this.#timer?.cancel();
    await this.#feed.close();
    const { board } = this.#options.provider;
    if (!board || this.#options.role === "tool") return;
    // A report that is on its way would be listed after the end.
    await this.#reporting;
    await this.#reporter.remove(board);
  }

  async #report(): Promise<void> {
    const { clock, consumers, logger, provider } = this.#options;
    const posted = provider.board && this.#reporter.post(provider.board);
    const followed = consumers.followPauses().catch((err: unknown) => {
      logger.debug({ err }, "What is paused in every process could not be read; it is read again");
    });
    this.#reporting = Promise.all([posted, followed]);
    await this.#reporting;
    if (this.#closing) return;
    this.#timer = clock.setTimeout(() => void this.#report(), REPORT_EVERY_MS);
  }

  /** The instances of all processes, or this one alone where the provider has no board, or cannot read it. */
  async instances(): Promise<readonly InspectedInstance[]> {
    const { instanceId, clock, logger, provider, role } = this.#options;
    const report = role === "tool" ? undefined : this.#reporter.report();
    const own = { instanceId, report, now: clock.now() };
    try {
      const posted = (await provider.board?.list()) ?? [];
      this.#isBoardMissed = false;
      return inspectInstances(own, posted);
    } catch (err) {
      const level = this.#isBoardMissed ? "debug" : "warn";
      this.#isBoardMissed = true;
      logger[level]({ err }, "Other instances could not be listed; inspect() shows this one alone");
      return inspectInstances(own, []);
    }
  }

  tail(signal: AbortSignal | undefined): AsyncGenerator<TailEntry, void, undefined> {
    const { clock, logger, provider } = this.#options;
    const ends = signal ? [this.#end.signal, signal] : [this.#end.signal];
    const options = { feed: this.#feed, clock, logger, signal: AbortSignal.any(ends) };
    return provider.board ? tailOfBoard(provider.board, options) : tailOfProcess(options);
  }

  async explain(name: string): Promise<Explanation> {
    assertText("explain()", "name", name);
    const { catalogue, provider, subscriptions } = this.#options;
    const [registered, instances] = await Promise.all([
      provider.subscriptions?.list() ?? [],
      this.instances(),
    ]);
    return explain(name, {
      isDeclared: catalogue !== undefined && isOwn(catalogue.schemas, name),
      here: [...subscriptions],
      registered,
      instances,
      admin: provider.admin,
    });
  }

  /** Resolves once it is recorded, with the end of what this process does about it. */
  async pauseEverywhere(
    subscriberId: string,
    paused: boolean,
  ): Promise<{ readonly done: Promise<unknown> }> {
    const method = paused ? "pause" : "resume";
    const what = `${method}() with the option "everywhere"`;
    assertText(`${method}()`, "subscriberId", subscriberId);
    const registry = this.#registry(method, what);
    await this.#assertKnown(subscriberId);
    if (!registry.setPaused) throw this.#unsupported(method, what);
    await registry.setPaused(subscriberId, paused);
    return this.#options.consumers.followPauses(subscriberId);
  }

  async retire(subscriberId: string, options: RetireOptions): Promise<number> {
    assertText("retire()", "subscriberId", subscriberId);
    assertOptions("retire()", options, {
      events: checkTexts,
      backlog: oneOf("keep", "dead-letter", "discard"),
    });
    const { events, backlog = "dead-letter" } = options;
    const { consumers, subscriptions, tracker } = this.#options;
    const registry = this.#registry("retire", "retiring subscriptions");
    const registered = await this.#assertKnownOrWaiting(subscriberId);
    if (backlog === "dead-letter") {
      const left = events && registered?.events.filter((event) => !events.includes(event));
      await this.#assertRoom({
        method: "retire",
        subscriberId,
        isMeant: left && ((name) => !left.some((pattern) => matchesPattern(pattern, name))),
      });
    }
    const subscription = subscriptions.get(subscriberId);
    if (backlog !== "keep") subscription?.retire(events ?? subscription.events);
    subscriptions.forget(subscriberId, events);
    if (subscription?.events.length === 0) consumers.ended(subscription);
    const count = await registry.retire(subscriberId, { events, backlog });
    if (count > 0) tracker?.loseTrack();
    return count;
  }

  async waiting(subscriberId: string, options: ListWaiting): Promise<Page<WaitingEvent>> {
    assertText("waiting()", "subscriberId", subscriberId);
    assertOptions("waiting()", options, {
      limit: wholeFrom(1),
      cursor: checkText,
      eventId: checkText,
    });
    const { limit = PAGE_SIZE, cursor, eventId } = options;
    const admin = this.#admin("waiting");
    if (!admin.listWaiting) throw this.#unsupported("waiting", "listing deliveries that wait");
    const page = await admin.listWaiting(subscriberId, { limit, cursor, eventId });
    if (page.items.length === 0) await this.#assertKnownOrWaiting(subscriberId);
    return waitingPage(page);
  }

  async drain(subscriberId: string, options: DrainOptions): Promise<number> {
    assertText("drain()", "subscriberId", subscriberId);
    assertOptions("drain()", options, { backlog: oneOf("dead-letter", "discard") });
    const admin = this.#admin("drain");
    if (!admin.drain) throw this.#unsupported("drain", "draining subscriptions");
    await this.#assertKnownOrWaiting(subscriberId);
    const { backlog = "dead-letter" } = options;
    if (backlog === "dead-letter") await this.#assertRoom({ method: "drain", subscriberId });
    const count = await admin.drain(subscriberId, { backlog });
    if (count > 0) this.#options.tracker?.loseTrack();
    return count;
  }

  async cancel(eventId: string, options: CancelOptions): Promise<number> {
    assertText("cancel()", "eventId", eventId);
    assertOptions("cancel()", options, { subscriberId: checkText });
    const { subscriberId: subscriptionId } = options;
    const { plugins, groups, tracker } = this.#options;
    const admin = this.#admin("cancel");
    if (!admin.cancel) throw this.#unsupported("cancel", "cancelling events");
    if (subscriptionId !== undefined) await this.#assertKnownOrWaiting(subscriptionId);
    // First where events are kept: from there they go to the queues.
    const stagings = subscriptionId === undefined ? plugins.map(({ staging }) => staging) : [];
    let staged = subscriptionId === undefined ? await groups.cancel(eventId) : 0;
    for (const staging of stagings) staged += (await staging?.cancel?.(eventId)) ?? 0;
    const count = await admin.cancel(eventId, { subscriptionId });
    if (count > 0) tracker?.cancelled(eventId, count);
    return staged + count;
  }

  /** @throws BusbarError `BUSBAR_CONFLICT` when dead letters have no room for what waits. */
  async #assertRoom(lettering: Omit<DeadLettering, "maxPerSubscription">): Promise<void> {
    const { maxDeadLetters: maxPerSubscription, provider } = this.#options;
    if (!provider.admin) return;
    await assertDeadLetterRoom(provider.admin, { ...lettering, maxPerSubscription });
  }

  /** @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider has no list of subscriptions. */
  #registry(method: string, what: string): SubscriptionRegistry {
    const { subscriptions: registry } = this.#options.provider;
    if (!registry) throw this.#unsupported(method, what);
    return registry;
  }

  /**
   * As `#assertKnown`, but a subscription that was retired is known while deliveries of it wait: a retirement may have
   * been interrupted, or was to keep them.
   */
  async #assertKnownOrWaiting(subscriberId: string): Promise<RegisteredSubscription | undefined> {
    try {
      return await this.#assertKnown(subscriberId);
    } catch (error) {
      if (!isBusbarError(error, "BUSBAR_NOT_FOUND")) throw error;
      const stats = (await this.#options.provider.admin?.stats()) ?? [];
      const own = stats.find((it) => it.subscriptionId === subscriberId);
      if (!own || own.ready + own.delayed === 0) throw error;
      return undefined;
    }
  }

  /**
   * Returns the subscription as it is listed, where there is a list.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when no process has declared the subscription.
   */
  async #assertKnown(subscriberId: string): Promise<RegisteredSubscription | undefined> {
    const { provider, subscriptions } = this.#options;
    const listed = await provider.subscriptions?.list();
    const known = (listed ?? Array.from(subscriptions, ({ spec }) => spec)).map(
      (it) => it.subscriptionId,
    );
    if (known.includes(subscriberId)) {
      return listed?.find((it) => it.subscriptionId === subscriberId);
    }
    throw new BusbarError(
      "BUSBAR_NOT_FOUND",
      `Nobody knows subscription ${quoted(subscriberId)}${nearestHint(subscriberId, known)}`,
      { kind: "subscription", id: subscriberId },
    );
  }

  #admin(method: string): ProviderAdmin {
    const { admin } = this.#options.provider;
    if (!admin) throw this.#unsupported(method, `${method}()`);
    return admin;
  }

  #unsupported(option: string, what: string): BusbarError<"BUSBAR_UNSUPPORTED"> {
    return unsupported(this.#options.provider.name, option, what);
  }
}
