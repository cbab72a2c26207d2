import type { EmitOptions, Event, EventMessage } from "./contract/event.ts";
import type {
  ClearGroupOptions,
  EventMethods,
  IEventBusModule,
  NextOptions,
} from "./contract/event-bus-module.ts";
import type { Interceptor } from "./contract/interceptor.ts";
import type { Middleware } from "./contract/middleware.ts";
import type { Schedules } from "./contract/schedule.ts";
import type { BusListener, BusNoticeName } from "./contract/notices.ts";
import type {
  BatchOptions,
  BatchSubscriber,
  ContextOf,
  DeliveryContext,
  HandlerContext,
  Subscriber,
  SubscriberContext,
} from "./contract/subscriber.ts";
import type { AnySubscriberContext } from "./deliver/policy.ts";
import type { Subscription } from "./deliver/subscription.ts";
import type { EventSelector, Subscribing } from "./deliver/subscriptions.ts";
import { callSiteOf } from "./values/call-site.ts";
import { BusbarError } from "./errors/errors.ts";
import { quoted } from "./errors/quoted.ts";
import {
  assertOptions,
  assertText,
  checkBoolean,
  checkFunction,
  nearestHint,
  checkTimeLimit,
  checkText,
  checkTexts,
  oneOf,
} from "./values/arguments.ts";
import { NOTICE_NAMES } from "./observe/notices.ts";
import { BusRuntime } from "./lifecycle/bus-runtime.ts";
import type { DeadLetters } from "./admin/dead-letters.ts";
import type { Explanation } from "./operate/explain.ts";
import type { CancelOptions, DrainOptions, RetireOptions } from "./operate/operations.ts";
import type { TailEntry } from "./operate/tail-entries.ts";
import type { ListWaiting, WaitingEvent } from "./operate/waiting.ts";
import type { Page } from "./contract/provider.ts";
import type { DescribedEvent } from "./events/describe-events.ts";
import type { Emission } from "./emit/envelopes.ts";
import type { BusHealth, BusInspection, InspectOptions } from "./admin/inspection.ts";
import { offerHolding } from "./contract/held-events.ts";
import type { EventBusOptions } from "./contract/bus-options.ts";
import type { SettledOptions } from "./admin/settled.ts";
import { TransactionalBus } from "./emit/transactional-bus.ts";

export type { CancelOptions, DrainOptions, RetireOptions } from "./operate/operations.ts";
export type { NextOptions } from "./contract/event-bus-module.ts";
export { busOptionIssues } from "./lifecycle/settings.ts";

/** Set once, by {@link Bus}. */
let runtimeOf: (bus: Bus) => BusRuntime;

/** Options of {@link EventBus.pause} and {@link EventBus.resume}. */
export interface PauseOptions {
  /**
   * Whether the call applies to every process. The provider keeps the pause over restarts, until `resume` is called
   * with the same option. Processes follow within 5 seconds. The pause of one process is separate: a process delivers
   * to a subscription only when neither pause is set.
   *
   * @default false
   */
  readonly everywhere?: boolean | undefined;
}

/** Options of {@link EventBus.tail}. */
export interface TailOptions {
  /** Ends the tail. By default the tail ends with the loop that reads it, and with the bus. */
  readonly signal?: AbortSignal | undefined;
}

/** A reference to a subscription by its id. */
export interface SubscriptionRef {
  /** The id of the subscription: the `subscriberId` that was passed to `subscribe`. */
  readonly subscriberId: string;
}

/** Options of {@link EventBus.stop}. */
export interface StopOptions {
  /** The milliseconds to wait for deliveries in flight. Default: the `graceMs` of the bus. */
  readonly graceMs?: number | undefined;
}

/** An {@link EventBus} at run time, where it knows no types of events. */
class Bus implements IEventBusModule, AsyncDisposable {
  static {
    runtimeOf = (bus) => bus.#runtime;
  }

  readonly #runtime: BusRuntime;

  constructor(options: EventBusOptions<object>) {
    this.#runtime = new BusRuntime(this, options);
    offerHolding(this, this.#runtime.holding, Bus.prototype);
  }

  /** The dead letters of this bus. */
  get deadLetters(): DeadLetters {
    return this.#runtime.deadLetters;
  }

  /** The schedules of this bus. */
  get schedules(): Schedules {
    return this.#runtime.schedules;
  }

  emit<T>(message: EventMessage<T>, options?: EmitOptions): Promise<readonly [string]>;
  emit<T>(
    message: EventMessage<T> | readonly EventMessage<T>[],
    options?: EmitOptions,
  ): Promise<readonly string[]>;
  emit<T>(name: string | symbol, data: T, options?: EmitOptions): Promise<readonly [string]>;
  emit(first: Emission, second?: unknown, third?: EmitOptions): Promise<readonly string[]> {
    return this.#runtime.emitter.emit(first, second, third);
  }

  subscribe<T>(event: EventSelector, subscriber: Subscriber<T>, context?: SubscriberContext): this;
  subscribe<T>(
    event: EventSelector,
    subscriber: BatchSubscriber<T>,
    context: ContextOf<BatchOptions>,
  ): this;
  subscribe(
    event: EventSelector,
    subscriber: Subscriber<never> | BatchSubscriber<never>,
    context?: AnySubscriberContext,
  ): this {
    // A development server may evaluate the caller's file again.
    const mayReload =
      process.env["NODE_ENV"] !== "production" && context?.subscriberId !== undefined;
    const callee = Reflect.get(Bus.prototype, "subscribe") as () => unknown;
    const site = mayReload ? callSiteOf(callee) : undefined;
    this.#runtime.subscribe(event, subscriber as Subscriber, context, { site });
    return this;
  }

  unsubscribe<T>(
    event: EventSelector,
    subscriber: Subscriber<T>,
    context?: SubscriberContext,
  ): this;
  unsubscribe<T>(
    event: EventSelector,
    subscriber: BatchSubscriber<T>,
    context?: SubscriberContext<BatchOptions | undefined>,
  ): this;
  unsubscribe(subscription: SubscriptionRef): this;
  unsubscribe(
    selected: EventSelector | SubscriptionRef,
    subscriber?: Subscriber<never> | BatchSubscriber<never>,
    context?: AnySubscriberContext,
  ): this {
    if (isSubscriptionRef(selected)) {
      assertText("unsubscribe()", "subscriberId", selected.subscriberId);
      this.#runtime.unsubscribeById(selected.subscriberId);
    } else {
      this.#runtime.unsubscribe(selected, subscriber as Subscriber, context);
    }
    return this;
  }

  async releaseGroupedEvents(eventGroupId: string): Promise<void> {
    assertText("releaseGroupedEvents()", "eventGroupId", eventGroupId);
    await this.#runtime.releaseGroup(eventGroupId);
  }

  async clearGroupedEvents(eventGroupId: string, options: ClearGroupOptions = {}): Promise<void> {
    assertText("clearGroupedEvents()", "eventGroupId", eventGroupId);
    assertOptions("clearGroupedEvents()", options, { eventNames: checkTexts, stepIds: checkTexts });
    await this.#runtime.clearGroup(eventGroupId, options);
  }

  addInterceptor(interceptor: Interceptor): this {
    assertFunction("addInterceptor()", "an interceptor", interceptor);
    this.#runtime.interceptors.add(interceptor);
    return this;
  }

  removeInterceptor(interceptor: Interceptor): this {
    this.#runtime.interceptors.delete(interceptor);
    return this;
  }

  use(middleware: Middleware): this {
    assertFunction("use()", "middleware", middleware);
    this.#runtime.use(middleware);
    return this;
  }

  /**
   * Calls `listener` with each notice of one name. A notice reports a change of the bus, or of an event or a delivery
   * in this process. {@link BusNotices} lists the names and the argument of each listener.
   *
   * The bus calls listeners in the order in which they were added, and does not wait for them. If a listener
   * throws or rejects, the bus logs one warning for this listener and continues. `on` may be called before `start`.
   *
   * @returns A function that removes the listener. The function is safe to call twice.
   * @throws TypeError when no notice has that name, or when `listener` is not a function.
   *
   * @example
   * ```ts
   * const end = bus.on("dead", ({ subscriberId, event, reason }) => {
   *   console.error(`${subscriberId} has given up ${event.name} ${event.id}: ${reason}`);
   * });
   * ```
   */
  on<Name extends BusNoticeName>(name: Name, listener: BusListener<Name>): () => void {
    const reason = oneOf(...NOTICE_NAMES)(name);
    if (reason !== undefined) throw new TypeError(`on(): the name of a notice ${reason}`);
    assertFunction("on()", "a listener", listener);
    return this.#runtime.notices.on(name, listener);
  }

  /**
   * Starts the provider and the plugins, declares the subscriptions and begins to consume. Resolves when the bus is
   * ready to deliver events. `start` is safe to call again while the bus starts or runs. A running bus keeps its
   * process alive until `stop`, on every provider. The bus asks the provider which
   * subscriptions are paused everywhere. If there is no answer within a second, `start` resolves, and the bus consumes its
   * subscriptions after the answer.
   *
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider does not support a subscription or the role.
   * @throws BusbarError `BUSBAR_UNAVAILABLE` when the provider cannot be started. Create a new bus to try again.
   * @throws TypeError after `stop`.
   */
  start(): Promise<void> {
    return this.#runtime.start();
  }

  /**
   * Stops the bus. From then on the bus accepts only emits of handlers. `stop` waits for deliveries in flight, releases
   * all others, and closes the connections that the bus opened. A provider that is not durable first delivers the
   * events that are due. Resolves when everything is closed. `stop` does not wait for a provider that has not ended
   * 5 seconds after `graceMs`. `stop` is safe to call twice, and before `start`.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    assertOptions("stop()", options, { graceMs: checkTimeLimit });
    await this.#runtime.stop(options.graceMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Waits until every delivery of an event, and of the events that it caused, is acknowledged or dead. Without an
   * `eventId`, `settled` waits for all events that this bus emitted. If several processes consume, `settled` waits
   * until the queues are empty. Events in a group count from their release on.
   *
   * @throws BusbarError `BUSBAR_NOT_SETTLED` on timeout, with the tree of unsettled events.
   *
   * @example
   * ```ts
   * const [eventId] = await bus.emit("order.placed", { orderId: "42" });
   * await bus.settled({ eventId });
   * ```
   */
  async settled(options: SettledOptions = {}): Promise<void> {
    assertOptions("settled()", options, {
      eventId: checkText,
      timeoutMs: checkTimeLimit,
    });
    await this.#runtime.settled(options);
  }

  /**
   * Pauses a subscription in this process, or in every process. The provider keeps the events of the subscription.
   * Resolves when its runs in flight in this process have ended. A call from a handler resolves at once.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when this process has no such subscription; with `everywhere`, when no
   *   process has declared the subscription.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot pause a subscription everywhere.
   *
   * @example
   * ```ts
   * await bus.pause("send-receipt", { everywhere: true });
   * ```
   */
  async pause(subscriberId: string, options: PauseOptions = {}): Promise<void> {
    assertOptions("pause()", options, { everywhere: checkBoolean });
    if (options.everywhere) await this.#runtime.pauseEverywhere(subscriberId, true);
    else await this.#runtime.pause(this.#subscription(subscriberId));
  }

  /**
   * Resumes a subscription that `pause` has paused. Pass the same options as to `pause`. Resolves when the subscription
   * is consumed again, or remains paused by the other option.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` and `BUSBAR_UNSUPPORTED`, as `pause` does.
   *
   * @example
   * ```ts
   * await bus.resume("send-receipt", { everywhere: true });
   * ```
   */
  async resume(subscriberId: string, options: PauseOptions = {}): Promise<void> {
    assertOptions("resume()", options, { everywhere: checkBoolean });
    if (options.everywhere) await this.#runtime.pauseEverywhere(subscriberId, false);
    else await this.#runtime.resume(this.#subscription(subscriberId));
  }

  /**
   * Ends a subscription in every process, permanently, or removes some of its events. The subscription receives no
   * new events. The option `backlog` says what happens to pending deliveries. Resolves with the number of deliveries
   * that were dead-lettered or discarded.
   *
   * No dead letter is deleted to make room for others. If dead letters have no room for the pending deliveries, nothing
   * changes, and the call rejects. Deliveries for which other processes leave no room meanwhile stay pending, and a
   * second call retires them. So does a second call after a call that was interrupted.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when no process has declared the subscription, and none of its deliveries is
   *   pending.
   * @throws BusbarError `BUSBAR_CONFLICT` when the subscription would have more than
   *   `deadLetters.maxPerSubscription` dead letters.
   *
   * @example
   * ```ts
   * const deadLettered = await bus.retire("send-receipt");
   * ```
   */
  retire(subscriberId: string, options: RetireOptions = {}): Promise<number> {
    return this.#runtime.change("retire", (it) => it.retire(subscriberId, options));
  }

  /**
   * Removes all pending deliveries of a subscription, including delayed deliveries and scheduled retries. Deliveries in
   * flight continue, and the subscription receives its next events. Resolves with the number of deliveries that were
   * dead-lettered or discarded.
   *
   * No dead letter is deleted to make room for others. If dead letters have no room for the pending deliveries, nothing
   * changes, and the call rejects. Deliveries for which other processes leave no room meanwhile stay pending.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot drain.
   * @throws BusbarError `BUSBAR_CONFLICT` when the subscription would have more than
   *   `deadLetters.maxPerSubscription` dead letters.
   *
   * @example
   * ```ts
   * await bus.pause("send-receipt", { everywhere: true });
   * const deadLettered = await bus.drain("send-receipt");
   * ```
   */
  drain(subscriberId: string, options: DrainOptions = {}): Promise<number> {
    return this.#runtime.change("drain", (it) => it.drain(subscriberId, options));
  }

  /**
   * Cancels the pending deliveries of an event in every process: those that are due, those that are delayed, and those
   * that wait for a retry. Deliveries in flight continue, and dead letters stay. An event that the outbox still keeps is
   * deleted there, unless `subscriberId` is given. So is an event of a group that is not released, if the outbox or the
   * memory of this process keeps the group. Resolves with the number of deliveries that were cancelled; an event in the
   * outbox or in a group counts as one. 0 means that nothing was pending.
   *
   * Events of groups that a durable provider keeps are not cancelled: clear them with `clearGroupedEvents`.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot cancel events.
   *
   * @example
   * ```ts
   * const [eventId] = await bus.emit("cart.abandoned", { cartId }, { delay: 3_600_000 });
   * await bus.cancel(eventId);
   * ```
   */
  cancel(eventId: string, options: CancelOptions = {}): Promise<number> {
    return this.#runtime.change("cancel", (it) => it.cancel(eventId, options));
  }

  async next<T>(event: string | symbol, options: NextOptions = {}): Promise<Event<T>> {
    assertOptions("next()", options, { signal: checkSignal, timeoutMs: checkTimeLimit });
    return (await this.#runtime.next(event, options)) as Event<T>;
  }

  /**
   * Lists the pending deliveries of a subscription, roughly in the order in which they will run. If deliveries begin
   * while you read, a page may repeat a delivery or omit a delivery that has moved.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot list pending deliveries.
   *
   * @example
   * ```ts
   * const { items } = await bus.waiting("send-receipt", { eventId });
   * console.log(items[0]?.state); // "delayed"
   * ```
   */
  waiting(subscriberId: string, options: ListWaiting = {}): Promise<Page<WaitingEvent>> {
    return this.#runtime.operate("waiting", (it) => it.waiting(subscriberId, options));
  }

  /**
   * Explains where events of a name are delivered: the subscriptions that match, the pattern that matches, and the
   * delivery options of each. Also lists subscriptions whose event name differs by one letter.
   *
   * @example
   * ```ts
   * const { subscriptions, nearMisses } = await bus.explain("order.placed");
   * ```
   */
  explain(name: string): Promise<Explanation> {
    return this.#runtime.operate("explain", (it) => it.explain(name));
  }

  /**
   * Reads what happens to events in every process, as it happens: from the first read on in this process, and from
   * 5 seconds later at most in the others. Where the provider has no board, as in memory, it reads this process only.
   *
   * A tail never makes an emit or a handler wait. What is more than 1 000 entries ahead of the reader, or more than
   * 4 000 a second in one process, is left out: an entry `dropped` says how many. While nobody reads a tail, nothing
   * is recorded.
   *
   * @example
   * ```ts
   * for await (const entry of bus.tail({ signal: AbortSignal.timeout(60_000) })) {
   *   if (entry.type === "failed") console.log(entry.subscriberId, entry.event.id, entry.error?.message);
   * }
   * ```
   */
  tail(options: TailOptions = {}): AsyncIterable<TailEntry> {
    assertOptions("tail()", options, {
      signal: checkSignal,
    });
    return this.#runtime.tail(options.signal);
  }

  withTransaction(transaction: unknown): IEventBusModule {
    return new TransactionalBus(this, this.#runtime.stager(transaction));
  }

  /** Returns the current subscriptions, backlogs, dead letters, staged groups, counters and instances of the bus. */
  inspect(options: InspectOptions = {}): Promise<BusInspection> {
    return this.#runtime.inspect(options);
  }

  /**
   * Describes the events in the catalogue of this bus, as {@link describeEvents} does. Returns an empty array if the
   * bus has no catalogue.
   */
  describeEvents(): readonly DescribedEvent[] {
    return this.#runtime.describeEvents();
  }

  /** Reports whether the bus works. A call changes nothing. */
  health(): Promise<BusHealth> {
    return this.#runtime.health();
  }

  #subscription(id: string): Subscription {
    const subscription = this.#runtime.subscriptions.get(id);
    if (subscription) return subscription;
    const known = Array.from(this.#runtime.subscriptions, (it) => it.id);
    const message = `This process has no subscription ${quoted(id)}${nearestHint(id, known)}`;
    throw new BusbarError("BUSBAR_NOT_FOUND", message, { kind: "subscription", id });
  }
}

/**
 * The event bus. {@link createEventBus} creates it with every provider. A catalogue types its events; a bus without a
 * catalogue accepts events of every name. An `EventBus` is an {@link IEventBusModule}.
 *
 * Subscribe first, then call `start`, then emit. At the end, call `stop`, which waits for deliveries in flight.
 */
export interface EventBus<
  Events extends object = never,
  Received extends object = Events,
  Context extends DeliveryContext = DeliveryContext,
>
  extends
    Omit<Bus, keyof IEventBusModule | "next" | "schedules" | "use" | "withTransaction">,
    IEventBusModule<Events, Received, Context> {
  /** The schedules of this bus: recurring emits. All processes of the bus share them. */
  readonly schedules: Schedules<Events>;
  /**
   * Emits one event or several, as {@link IEventBusModule.emit} does. One event resolves with an array of one id.
   *
   * @example
   * ```ts
   * const [eventId] = await bus.emit("order.placed", { orderId: "42" });
   * ```
   */
  readonly emit: EventMethods<Events, Received, Context, this, readonly [string]>["emit"];
  /**
   * Ends a subscription in this process, as {@link IEventBusModule.unsubscribe} does. If only a `subscriberId` is
   * passed, `unsubscribe` ends the subscription for all its events. It does nothing if this process has no such
   * subscription.
   */
  readonly unsubscribe: ((subscription: SubscriptionRef) => this) &
    EventMethods<Events, Received, Context, this>["unsubscribe"];
  /**
   * Waits for the next event of a name or a pattern, from any process. Events that this process emits after the call
   * are included. `next` adds a temporary subscription for the wait, with the id `next:` and a UUID. Middleware runs as
   * for other subscriptions. To process every event, call `subscribe`.
   *
   * @throws BusbarError `BUSBAR_TIMEOUT` when no event arrives within `timeoutMs`.
   * @throws BusbarError `BUSBAR_NOT_RUNNING` when the bus stops or has stopped.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` in a role that never consumes.
   * @throws The reason of `signal`, when the signal is aborted.
   *
   * @example
   * ```ts
   * const paid = bus.next("order.paid", { timeoutMs: 30_000 });
   * await bus.emit("order.placed", { orderId: "42" });
   * console.log((await paid).data);
   * ```
   */
  readonly next: EventMethods<Events, Received, Context, this>["next"];
  /**
   * Adds middleware that wraps every run of every delivery. The middleware runs inside the middleware of the options,
   * of the plugins and of earlier calls. The `inbox` of the bus runs inside all middleware.
   *
   * @example
   * ```ts
   * bus.use(async ({ event }, next) => {
   *   const startedAt = performance.now();
   *   await next();
   *   timings.record(event.name, performance.now() - startedAt);
   * });
   * ```
   */
  use(middleware: Middleware): this;
  /**
   * Returns a bus whose `emit` writes events in the caller's transaction. The events are published if the transaction
   * commits. All other methods are the methods of this bus. `withTransaction` needs a plugin that stages events, such
   * as the outbox, or a provider in the same database, such as `@busbar/postgres`. Await the emit before the transaction
   * ends. The emit rejects with a `TypeError` if no transaction is open, and with `BUSBAR_EMIT_TIMEOUT` if the database
   * does not answer within `emitTimeoutMs`.
   *
   * @throws BusbarError `BUSBAR_UNSUPPORTED` without such a plugin or provider.
   * @throws TypeError when there is no transaction: `undefined` or `null`.
   *
   * @example
   * ```ts
   * await db.transaction(async (tx) => {
   *   await tx.insert(orders).values(order);
   *   await bus.withTransaction(tx).emit("order.placed", { orderId: order.id });
   * });
   * ```
   */
  withTransaction(transaction: unknown): IEventBusModule<Events, Received, Context>;
}

/** @deprecated The same as {@link EventBus}. */
export type TypedEventBus<Events extends object, Received extends object = Events> = EventBus<
  Events,
  Received
>;

/** @deprecated The same as {@link IEventBusModule}. */
export type TypedEventModule<
  Events extends object,
  Received extends object = Events,
> = IEventBusModule<Events, Received>;

/** Subscribes as `bus.subscribe` does, and says what else is known. For folders of subscribers. */
export function subscribeWith(
  bus: EventBus,
  event: EventSelector,
  subscriber: Subscriber | BatchSubscriber,
  context: AnySubscriberContext,
  more: Subscribing,
): void {
  runtimeOf(bus as unknown as Bus).subscribe(event, subscriber as Subscriber, context, more);
}

function checkSignal(value: unknown): string | undefined {
  return value instanceof AbortSignal ? undefined : "must be an AbortSignal";
}

function assertFunction(call: string, what: string, value: unknown): void {
  const reason = checkFunction(value);
  if (reason !== undefined) throw new TypeError(`${call}: ${what} ${reason}`);
}

function isSubscriptionRef(value: EventSelector | SubscriptionRef): value is SubscriptionRef {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Creates an event bus. To create a bus with a container of services, use `createApp`.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider: localProvider() });
 * bus.subscribe("order.placed", (event) => console.log(event.data));
 * await bus.start();
 * await bus.emit("order.placed", { orderId: "42" });
 * await bus.stop();
 * ```
 *
 * @throws TypeError when an option is unknown or has an invalid value.
 */
export function createEventBus<
  Events extends object = never,
  Received extends object = Events,
  Tx = unknown,
>(options: EventBusOptions<Events, Received, Tx>): EventBus<Events, Received, HandlerContext<Tx>> {
  // One bus is behind all types.
  const bus: EventBus = new Bus(options as unknown as EventBusOptions<object>);
  return bus as unknown as EventBus<Events, Received, HandlerContext<Tx>>;
}
