import type { Event } from "../contract/event.ts";
import type {
  ClearGroupOptions,
  IEventBusModule,
  NextOptions,
} from "../contract/event-bus-module.ts";
import type { Interceptor } from "../contract/interceptor.ts";
import type { Middleware } from "../contract/middleware.ts";
import type { Plugin } from "../contract/plugin.ts";
import type { EventProvider, ProviderAdmin } from "../contract/provider.ts";
import type { Subscriber } from "../contract/subscriber.ts";
import { quoted } from "../errors/quoted.ts";
import { Intakes } from "../deliver/intakes.ts";
import type { AnySubscriberContext } from "../deliver/policy.ts";
import { DeliveryEngine } from "../deliver/engine.ts";
import { NextEvents } from "../deliver/next-events.ts";
import { StormLog } from "../deliver/storm-log.ts";
import { HandlerRunner } from "../deliver/handler-runner.ts";
import type { Subscription } from "../deliver/subscription.ts";
import {
  type EventSelector,
  type RemovedEvents,
  type Subscribing,
  Subscriptions,
} from "../deliver/subscriptions.ts";
import { currentRun } from "../causality/causality.ts";
import { safePlugin, safeProvider } from "../provider/safe-provider.ts";
import { ClockWatch, serversOf } from "../admin/clock-watch.ts";
import { Consumers } from "../deliver/consumers.ts";
import { createCounters } from "../observe/counters.ts";
import { Notices } from "../observe/notices.ts";
import { DeadLetters } from "../admin/dead-letters.ts";
import { type DescribedEvent, describeEvents } from "../events/describe-events.ts";
import { EmitTimeLimit } from "../emit/emit-time-limit.ts";
import { Emitter } from "../emit/emitter.ts";
import { EventHolder, Groups } from "../groups/groups.ts";
import {
  type BusHealth,
  type BusInspection,
  HealthRecord,
  type InspectOptions,
  inspectSubscriptions,
} from "../admin/inspection.ts";
import type { Holding } from "../contract/held-events.ts";
import { LateSchedules } from "./late-schedules.ts";
import { Lifecycle } from "./lifecycle.ts";
import { type EventBusOptions, roleConsumes } from "../contract/bus-options.ts";
import { Publisher } from "../emit/publisher.ts";
import { SendHooks } from "../emit/send-hooks.ts";
import { type BusSettings, readSettings } from "./settings.ts";
import type { EventCatalogue } from "../contract/catalogue.ts";
import type { Operations } from "../operate/operations.ts";
import type { TailEntry } from "../operate/tail-entries.ts";
import { settledEverywhere, settledHere, type SettledOptions } from "../admin/settled.ts";
import { SettlementTracker } from "../causality/settlement-tracker.ts";
import { StartAndStop } from "./start-and-stop.ts";
import { Support, unsupported } from "../emit/support.ts";
import { assertOptions, checkBoolean } from "../values/arguments.ts";
import type { Stager } from "../emit/transactional-bus.ts";
import { transactionalStaging } from "../emit/transactional-staging.ts";

/** The parts of a bus, and how they work together. */
export class BusRuntime {
  readonly subscriptions: Subscriptions;
  readonly interceptors: Set<Interceptor> = new Set();
  readonly emitter: Emitter;
  readonly deadLetters: DeadLetters;
  readonly schedules: LateSchedules;
  readonly holding: Holding;
  readonly notices: Notices;
  readonly #bus: IEventBusModule;
  readonly #settings: BusSettings;
  readonly #catalogue: EventCatalogue<object> | undefined;
  readonly #provider: EventProvider;
  readonly #plugins: readonly Plugin[];
  /** The first one outermost, that of the inbox last. */
  readonly #middleware: Middleware[];
  readonly #inbox: Middleware | undefined;
  readonly #counters = createCounters();
  readonly #lifecycle: Lifecycle;
  readonly #health: HealthRecord;
  readonly #clocks: ClockWatch;
  readonly #support: Support;
  /** Knows what is not settled, where every delivery runs in this process. */
  readonly #tracker: SettlementTracker | undefined;
  readonly #publisher: Publisher;
  readonly #timeLimit: EmitTimeLimit;
  readonly #engine: DeliveryEngine;
  readonly #consumers: Consumers;
  readonly #groups: Groups;
  readonly #nextEvents: NextEvents;
  readonly #instanceId = crypto.randomUUID();
  #startedAt = 0;
  #loading: Promise<Operations> | undefined;
  /** Whether the stop has ended every tail: one that is first read after that has nothing to read. */
  #areTailsEnded = false;

  constructor(bus: IEventBusModule, options: EventBusOptions<object>) {
    const settings = readSettings(options);
    const { clock, logger } = settings;
    const provider = safeProvider(options.provider);
    const { durable } = provider.capabilities;
    this.subscriptions = new Subscriptions(settings.subscriptionDefaults);
    this.#bus = bus;
    this.#settings = settings;
    this.#catalogue = options.events;
    this.#provider = provider;
    const plugins = (options.plugins ?? []).map(safePlugin);
    const inbox = options.inbox && safePlugin(options.inbox.createInbox());
    this.#plugins = inbox ? [...plugins, inbox] : plugins;
    this.#inbox = inbox?.middleware;
    this.#middleware = [
      ...(options.middleware ?? []),
      ...this.#plugins.flatMap((plugin) => plugin.middleware ?? []),
    ];
    this.notices = new Notices(logger);
    this.#health = new HealthRecord(clock.now(), provider.name, this.notices);
    this.#clocks = new ClockWatch({ clock, logger, servers: serversOf(provider, this.#plugins) });
    this.#support = new Support(provider, logger);
    this.#tracker = durable ? undefined : new SettlementTracker();
    const shared = {
      clock,
      logger,
      storms: new StormLog(logger, clock),
      counters: this.#counters,
      notices: this.notices,
      tracker: this.#tracker,
    };
    const timeLimit = new EmitTimeLimit(clock, settings.emitTimeoutMs);
    this.#timeLimit = timeLimit;
    const hooks = SendHooks.of(this.#plugins, { timeLimit, logger });
    const whyDown = (): string | undefined => this.#health.whyDown;
    this.#publisher = new Publisher({ ...shared, bus, provider, timeLimit, whyDown });
    this.#engine = new DeliveryEngine({
      ...shared,
      bus,
      handlerLogger: settings.handlerLogger,
      random: settings.random,
      maxCrashes: settings.maxCrashes,
      keepsDead: provider.admin !== undefined,
      services: settings.services,
      runner: new HandlerRunner({
        isolated: settings.isolation === "copy",
        fresh: provider.capabilities.payload === "fresh",
        middleware: this.#middleware,
        catalogue: options.events,
      }),
    });
    const intakes = new Intakes({
      ...shared,
      provider,
      engine: this.#engine,
      handlerLogger: settings.handlerLogger,
      services: settings.services,
    });
    this.#consumers = new Consumers({
      ...shared,
      provider,
      subscriptions: this.subscriptions,
      intakes,
      consumes: roleConsumes(settings.role),
      declares: settings.role !== "tool",
      isNamed: options.name !== undefined,
    });
    this.#nextEvents = new NextEvents({
      ...shared,
      provider,
      subscriptions: this.subscriptions,
      consumers: this.#consumers,
    });
    this.#groups = new Groups({
      provider,
      settings,
      counters: this.#counters,
      publisher: this.#publisher,
      timeLimit,
      staging: this.#plugins.find((plugin) => plugin.staging?.groups)?.staging?.groups,
      intercept: (events) => this.emitter.interceptAtRelease(events),
      hasInterceptors: () => this.interceptors.size > 0,
      hooks,
    });
    this.emitter = new Emitter({
      ...shared,
      bus,
      providerName: provider.name,
      defaults: settings.defaults,
      maxCausationDepth: settings.maxCausationDepth,
      groupTtlMs: settings.groupTtlMs,
      maxPayloadBytes: settings.maxPayloadBytes,
      catalogue: options.events,
      interceptors: this.interceptors,
      publisher: this.#publisher,
      timeLimit,
      support: this.#support,
      staging: this.#groups.staging,
      hooks,
      ready: this.#ready,
    });
    this.holding = new EventHolder(this.#groups, this.emitter, () =>
      this.#ready("releaseGroupedEvents"),
    );
    this.schedules = new LateSchedules({
      ...shared,
      provider,
      emitter: this.emitter,
      publisher: this.#publisher,
      timeLimit,
      role: settings.role,
      given: options.schedules,
      ready: this.#ready,
      whenDeclared: () => this.#consumers.whenDeclared,
    });
    this.#lifecycle = new Lifecycle(
      new StartAndStop({
        bus,
        settings,
        provider,
        plugins: this.#plugins,
        givenPlugins: options.plugins ?? [],
        subscriptions: this.subscriptions,
        counters: this.#counters,
        storms: shared.storms,
        notices: this.notices,
        health: this.#health,
        clocks: this.#clocks,
        tracker: this.#tracker,
        publisher: this.#publisher,
        timeLimit,
        engine: this.#engine,
        consumers: this.#consumers,
        intakes,
        groups: this.#groups,
        nextEvents: this.#nextEvents,
        schedules: this.schedules,
        instanceId: this.#instanceId,
        operations: {
          // In memory there is no other process that would want to know.
          load: async () => (durable || provider.board ? this.#operations() : undefined),
          close: async () => {
            this.#areTailsEnded = true;
            await (await this.#loading)?.close();
          },
        },
        hooks,
      }),
    );
    const admin = (): ProviderAdmin => {
      this.#lifecycle.assertRunning("deadLetters", true);
      return this.#admin("deadLetters", "dead letters");
    };
    const listed = async (): Promise<readonly string[]> => {
      const others = (await provider.subscriptions?.list()) ?? [];
      const own = Array.from(this.subscriptions, ({ id }) => id);
      return [...own, ...others.flatMap((it) => [it.subscriptionId, ...it.aliases])];
    };
    this.deadLetters = new DeadLetters({
      admin,
      listed,
      tracker: this.#tracker,
      clock,
      providerName: provider.name,
      statsLag: (provider.capabilities.statsLagMs ?? 0) > 0,
      schemas: options.events,
      maxPayloadBytes: settings.maxPayloadBytes,
    });
  }

  describeEvents(): readonly DescribedEvent[] {
    return this.#catalogue ? describeEvents(this.#catalogue) : [];
  }

  start(): Promise<void> {
    if (this.#lifecycle.state === "new") this.#startedAt = this.#settings.clock.now();
    return this.#lifecycle.start();
  }

  stop(graceMs: number = this.#settings.graceMs): Promise<void> {
    return this.#lifecycle.stop(graceMs);
  }

  subscribe(
    selector: EventSelector,
    handler: Subscriber,
    context?: AnySubscriberContext,
    subscribing: Subscribing = {},
  ): void {
    const { state } = this.#lifecycle;
    const ofBus = this.#settings.subscriptionDefaults;
    const { defaults, replaces = [] } = subscribing;
    const backoff = context?.backoff ?? defaults?.backoff ?? ofBus.backoff;
    const ordering = context?.ordering ?? defaults?.ordering ?? ofBus.ordering;
    const rate = context?.rate ?? defaults?.rate ?? ofBus.rate;
    const subscriberId = context?.subscriberId ?? "anonymous";
    this.#support.assertPolicy({ backoff, ordering, rate }, subscriberId);
    if (context?.batch !== undefined && this.#inbox) {
      throw new TypeError(
        `Subscriber ${quoted(subscriberId)} has a batch, and the bus has an inbox, which gives each event a transaction of its own: leave one of them out`,
      );
    }
    const changed = this.subscriptions.add(selector, handler, context, subscribing);
    if (state === "starting" || state === "running") this.#consumers.changed(changed);
    const dropped = replaces.filter((event) => [selector].flat().every((it) => it !== event));
    // Only now: a subscription that loses all events ends, and its pause with it.
    if (dropped.length > 0) this.unsubscribe(dropped, handler, context);
  }

  unsubscribe(selector: EventSelector, handler: Subscriber, context?: AnySubscriberContext): void {
    this.#removed(this.subscriptions.remove(selector, handler, context));
  }

  unsubscribeById(subscriberId: string): void {
    this.#removed(this.subscriptions.removeById(subscriberId));
  }

  #removed(removed: readonly RemovedEvents[]): void {
    const { state } = this.#lifecycle;
    if (state === "starting" || state === "running") this.#consumers.removed(removed);
  }

  /** Adds middleware within that of the options and the plugins: the inbox's transaction holds handlers only. */
  use(middleware: Middleware): void {
    const last = this.#middleware.length - (this.#inbox ? 1 : 0);
    this.#middleware.splice(last, 0, middleware);
  }

  releaseGroup(eventGroupId: string): Promise<void> {
    const declared = this.#ready("releaseGroupedEvents");
    const release = (): Promise<void> =>
      this.#groups.release(eventGroupId, this.emitter.isInHandler);
    return declared ? declared.then(release) : release();
  }

  async clearGroup(eventGroupId: string, options: ClearGroupOptions): Promise<void> {
    await this.#ready("clearGroupedEvents");
    await this.#groups.clear(eventGroupId, options);
  }

  async pause(subscription: Subscription): Promise<void> {
    const paused = this.#consumers.pause(subscription);
    // Waiting for the end of the run that asks would never end.
    if (!this.emitter.isInHandler) await paused;
  }

  async resume(subscription: Subscription): Promise<void> {
    await this.#consumers.resume(subscription);
  }

  /** Does something for the people who operate the bus, which is allowed until the bus has stopped. */
  async operate<T>(method: string, work: (operations: Operations) => Promise<T>): Promise<T> {
    this.#lifecycle.assertRunning(method, true);
    return work(await this.#operations());
  }

  /** Changes subscriptions of all processes: not before the provider knows those of this one. */
  async change<T>(method: string, work: (operations: Operations) => Promise<T>): Promise<T> {
    await this.#ready(method);
    return work(await this.#operations());
  }

  async pauseEverywhere(subscriberId: string, paused: boolean): Promise<void> {
    const method = paused ? "pause" : "resume";
    const { done } = await this.change(method, (it) => it.pauseEverywhere(subscriberId, paused));
    if (!this.emitter.isInHandler) await done;
  }

  next(event: string | symbol, options: NextOptions): Promise<Event> {
    this.#lifecycle.assertRunning("next", false);
    const { role } = this.#settings;
    if (roleConsumes(role)) return this.#nextEvents.next(event, options);
    const what = `next() in the role "${role}": the process consumes no events`;
    throw unsupported(this.#provider.name, "next", what);
  }

  tail(signal: AbortSignal | undefined): AsyncIterable<TailEntry> {
    this.#lifecycle.assertRunning("tail", true);
    const operations = async (): Promise<Operations | undefined> =>
      this.#areTailsEnded ? undefined : this.#operations();
    return (async function* () {
      yield* (await operations())?.tail(signal) ?? [];
    })();
  }

  async settled(options: SettledOptions): Promise<void> {
    this.#lifecycle.assertRunning("settled", true);
    const { clock } = this.#settings;
    const tracker = this.#tracker;
    const running = (id: string): readonly string[] => this.#engine.running(id);
    if (tracker && (await settledHere(tracker, clock, running, options))) return;
    const what = "settled() after it has given deliveries up";
    const { statsLagMs = 0 } = this.#provider.capabilities;
    await settledEverywhere(this.#admin("settled", what), statsLagMs, clock, options);
    tracker?.clear();
  }

  stager(transaction: unknown): Stager {
    const staging = transactionalStaging(this.#plugins, this.#provider, this.#publisher);
    if (!staging) {
      throw unsupported(
        this.#provider.name,
        "withTransaction",
        "withTransaction() without a plugin that stages events, such as the outbox",
      );
    }
    if (transaction === undefined || transaction === null) {
      throw new TypeError(`withTransaction() needs a transaction, and got ${String(transaction)}`);
    }
    return (first, second, third) => {
      const timeLimit = this.#timeLimit;
      const deadline = timeLimit.deadline();
      let unknown: readonly string[] = [];
      const stage = async (): Promise<readonly string[]> => {
        const declared = this.#ready("emit");
        const { delays } = staging;
        const sent = await this.emitter.prepare(first, second, third, currentRun(), delays);
        await declared;
        unknown = sent.map(({ id }) => id);
        await this.emitter.stageWithin(transaction, sent, staging, deadline);
        return unknown;
      };
      const who = "The transaction";
      return timeLimit.within(stage(), deadline, () => ({ who, unknown }), true);
    };
  }

  async inspect(options: InspectOptions): Promise<BusInspection> {
    assertOptions("inspect()", options, { instances: checkBoolean });
    this.#lifecycle.assertRunning("inspect", true);
    const { admin, capabilities, subscriptions: registry, name: provider } = this.#provider;
    const { statsLagMs = 0 } = capabilities;
    const listed = async (): Promise<BusInspection["instances"]> =>
      (await this.#operations()).instances();
    const [registered, stats, groups, instances] = await Promise.all([
      registry?.list() ?? [],
      admin?.stats() ?? [],
      this.#groups.list(),
      options.instances === false ? [] : listed(),
    ]);
    return {
      name: this.#settings.name,
      provider,
      state: this.#lifecycle.state,
      role: this.#settings.role,
      ...(statsLagMs > 0 && { statsLagMs }),
      subscriptions: inspectSubscriptions([...this.subscriptions], registered, stats),
      groups: groups.map((group) => ({ ...group, stagedAt: new Date(group.stagedAt) })),
      counters: { ...this.#counters },
      instances,
    };
  }

  /** @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider has no admin part. */
  #admin(option: string, what: string): ProviderAdmin {
    const { admin, name } = this.#provider;
    if (!admin) throw unsupported(name, option, what);
    return admin;
  }

  health(): Promise<BusHealth> {
    const { clock, role } = this.#settings;
    const { state } = this.#lifecycle;
    return this.#health.health(this.#provider, this.#clocks, { state, role }, clock.now());
  }

  /** Loads what most programs never need. */
  readonly #operations = (): Promise<Operations> => {
    this.#loading ??= import("../operate/operations.ts").then((loaded) => {
      const { clock, deadLetters, logger, role } = this.#settings;
      return new loaded.Operations({
        instanceId: this.#instanceId,
        provider: this.#provider,
        plugins: this.#plugins,
        groups: this.#groups,
        subscriptions: this.subscriptions,
        consumers: this.#consumers,
        catalogue: this.#catalogue,
        counters: this.#counters,
        notices: this.notices,
        tracker: this.#tracker,
        maxDeadLetters: deadLetters.maxPerSubscription,
        role,
        clock,
        logger,
        state: () => ({
          status: this.#health.status,
          // The first report is posted when all is consumed, while the start has not ended.
          consuming: roleConsumes(role) && ["starting", "running"].includes(this.#lifecycle.state),
          startedAt: this.#startedAt,
        }),
      });
    });
    return this.#loading;
  };

  /** Passes, or tells what to wait for: the provider must know every subscription first. */
  readonly #ready = (method: string): Promise<void> | undefined => {
    if (this.#lifecycle.state !== "running") {
      const run = currentRun();
      this.#lifecycle.assertRunning(method, run?.bus === this.#bus && !run.isCutShort);
    }
    return this.#consumers.whenDeclared;
  };
}
