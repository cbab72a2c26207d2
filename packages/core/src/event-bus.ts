import type { EmitOptions, EventMessage } from "./contract/event.ts";
import type {
  ClearGroupOptions,
  EventMethods,
  IEventBusModule,
} from "./contract/event-bus-module.ts";
import type { Interceptor } from "./contract/interceptor.ts";
import type { Middleware } from "./contract/middleware.ts";
import type { BusListener, BusNoticeName } from "./contract/notices.ts";
import type {
  DeliveryContext,
  HandlerContext,
  Subscriber,
  SubscriberContext,
} from "./contract/subscriber.ts";
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
import type { DrainOptions, RetireOptions } from "./operate/operations.ts";
import type { TailEntry } from "./operate/tail-entries.ts";
import type { ListWaiting, WaitingEvent } from "./operate/waiting.ts";
import type { Page } from "./contract/provider.ts";
import type { DescribedEvent } from "./events/describe-events.ts";
import type { Emission } from "./emit/envelopes.ts";
import type { BusHealth, BusInspection } from "./admin/inspection.ts";
import { offerHolding } from "./contract/held-events.ts";
import type { EventBusOptions } from "./contract/bus-options.ts";
import type { SettledOptions } from "./admin/settled.ts";
import { TransactionalBus } from "./emit/transactional-bus.ts";

export type { DrainOptions, RetireOptions } from "./operate/operations.ts";
export { busOptionIssues } from "./lifecycle/settings.ts";

/** Set once, by {@link Bus}. */
let runtimeOf: (bus: Bus) => BusRuntime;

/** Options of {@link EventBus.pause} and {@link EventBus.resume}. */
export interface PauseOptions {
  /**
   * Whether the call is about every process. The provider keeps the pause until `resume` with the same option, also
   * over restarts; processes follow within 5 seconds. It is apart from the pause of one process: a subscription runs
   * where neither holds.
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

/** Names a subscription. */
export interface SubscriptionRef {
  /** The id under which it was subscribed. */
  readonly subscriberId: string;
}

/** Options of {@link EventBus.stop}. */
export interface StopOptions {
  /** Milliseconds to wait for deliveries in flight. The bus's own `graceMs` by default. */
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

  emit<T>(
    message: EventMessage<T> | readonly EventMessage<T>[],
    options?: EmitOptions,
  ): Promise<readonly string[]>;
  emit<T>(name: string | symbol, data: T, options?: EmitOptions): Promise<readonly string[]>;
  emit(first: Emission, second?: unknown, third?: EmitOptions): Promise<readonly string[]> {
    return this.#runtime.emitter.emit(first, second, third);
  }

  subscribe<T>(event: EventSelector, subscriber: Subscriber<T>, context?: SubscriberContext): this {
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
  unsubscribe(subscription: SubscriptionRef): this;
  unsubscribe(
    selected: EventSelector | SubscriptionRef,
    subscriber?: Subscriber<never>,
    context?: SubscriberContext,
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
   * Calls `listener` with each notice of one name, from now on: what happens to events and deliveries in this
   * process, and to the bus. {@link BusNotices} says which names there are, and what each listener gets.
   *
   * The bus calls listeners in the order in which they were added, and does not wait for them. If a listener
   * throws or rejects, the bus logs a warning, once for each listener, and goes on. A bus without listeners
   * spends no time on notices. May be called before `start`.
   *
   * @returns A function that ends it. Safe to call twice.
   * @throws TypeError when there is no notice of that name, or `listener` is not a function.
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
   * Starts the provider and the plugins, declares the subscriptions and begins to consume. Resolves
   * once an event emitted now would be delivered. Safe to call again while it starts or runs. From then
   * on the bus keeps its process alive, on every provider, until it is stopped.
   *
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when a subscription or the role asks what the provider cannot do.
   * @throws BusbarError `BUSBAR_UNAVAILABLE` when the provider cannot be started; start may not be tried
   *   again on the same bus.
   * @throws TypeError after `stop`.
   */
  start(): Promise<void> {
    return this.#runtime.start();
  }

  /**
   * Takes no new emits but those of handlers, waits for deliveries in flight, hands back the rest, and
   * closes what the bus opened. A provider that is not durable first delivers what is due. Resolves
   * when all is closed. Safe to call twice, and before `start`.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    assertOptions("stop()", options, { graceMs: checkTimeLimit });
    await this.#runtime.stop(options.graceMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Waits until an event, and all that was emitted because of it, is acknowledged or dead; without an
   * `eventId`, everything that this bus emitted. Where several processes consume, it waits until the
   * queues are empty. Events staged in a group do not count before their release.
   *
   * @throws BusbarError `BUSBAR_NOT_SETTLED` on timeout, with the tree of what is left.
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
   * Stops delivering to a subscription in this process, or in every process. Its events wait. Resolves when runs in
   * flight in this process have ended; called from a handler, at once.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when this process has no such subscription; with `everywhere`, when nobody
   *   knows it.
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
   * Delivers again after `pause` with the same options.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` and `BUSBAR_UNSUPPORTED` as `pause` does.
   */
  async resume(subscriberId: string, options: PauseOptions = {}): Promise<void> {
    assertOptions("resume()", options, { everywhere: checkBoolean });
    if (options.everywhere) await this.#runtime.pauseEverywhere(subscriberId, false);
    else await this.#runtime.resume(this.#subscription(subscriberId));
  }

  /**
   * Ends a subscription, or takes events from it, in every process and for good: no new events, and
   * what waits is dealt with as `backlog` says. Resolves with the number of deliveries that were
   * dead-lettered or discarded.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
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
   * Empties the queue of a subscription, which goes on: its next events are delivered. Takes every delivery that has
   * not begun, also a delayed one and a retry that waits for its time. Deliveries in flight go on. Resolves with the
   * number of deliveries that were dead-lettered or discarded.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot drain.
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
   * Lists the deliveries of a subscription that have not begun: roughly in the order in which they will run. While
   * deliveries begin, a page may show one twice, or miss one that has moved.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot list what waits.
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
   * Says where events of a name go: which subscriptions match, by which pattern, and how each is delivered to. Also
   * names subscriptions that miss the name by one letter.
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
      signal: (value) => (value instanceof AbortSignal ? undefined : "must be an AbortSignal"),
    });
    return this.#runtime.tail(options.signal);
  }

  withTransaction(transaction: unknown): IEventBusModule {
    return new TransactionalBus(this, this.#runtime.stager(transaction));
  }

  /** Subscriptions, backlogs, dead letters, staged groups and counters, as of now. */
  inspect(): Promise<BusInspection> {
    return this.#runtime.inspect();
  }

  /**
   * Describes the events of the catalogue that the bus was given, as {@link describeEvents} does. Without a catalogue it
   * returns an empty array.
   */
  describeEvents(): readonly DescribedEvent[] {
    return this.#runtime.describeEvents();
  }

  /** Whether the bus does its work. Changes nothing. */
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
 * The event bus: one for every provider. Made by {@link createEventBus}, of which it has its types; without a
 * catalogue it takes events of every name. Fits wherever an {@link IEventBusModule} is asked for.
 *
 * Subscribe first, then `start`, then emit. `stop` when done: it drains.
 */
export interface EventBus<
  Events extends object = never,
  Received extends object = Events,
  Context extends DeliveryContext = DeliveryContext,
>
  extends
    Omit<Bus, keyof IEventBusModule | "use" | "withTransaction">,
    IEventBusModule<Events, Received, Context> {
  /**
   * As {@link IEventBusModule.unsubscribe}. With a `subscriberId` alone it ends the subscription in this process
   * with all its events, and does nothing if this process has no such subscription.
   */
  readonly unsubscribe: ((subscription: SubscriptionRef) => this) &
    EventMethods<Events, Received, Context, this>["subscribe"];
  /**
   * Wraps every run of every delivery, within the middleware of the options, of the plugins and of earlier calls. The
   * `inbox` of the bus is within all of it.
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
   * A bus whose `emit` writes events in the caller's own transaction: they are published if it commits.
   * Everything else is this bus's. Needs a plugin that stages, such as the outbox. Await the emit before the
   * transaction ends. It rejects with a `TypeError` where no transaction is open, as far as the plugin can
   * tell, and with `BUSBAR_EMIT_TIMEOUT` when the database does not answer within `emitTimeoutMs`.
   *
   * @throws BusbarError `BUSBAR_UNSUPPORTED` without such a plugin.
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
  subscriber: Subscriber,
  context: SubscriberContext,
  more: Subscribing,
): void {
  runtimeOf(bus as unknown as Bus).subscribe(event, subscriber, context, more);
}

function assertFunction(call: string, what: string, value: unknown): void {
  const reason = checkFunction(value);
  if (reason !== undefined) throw new TypeError(`${call}: ${what} ${reason}`);
}

function isSubscriptionRef(value: EventSelector | SubscriptionRef): value is SubscriptionRef {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Makes a bus without a container. With one, `createApp` does.
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
 * @throws TypeError when an option has a value that it cannot have.
 */
export function createEventBus<
  Events extends object = never,
  Received extends object = Events,
  Tx = unknown,
>(options: EventBusOptions<Events, Received, Tx>): EventBus<Events, Received, HandlerContext<Tx>> {
  const bus: EventBus = new Bus(options);
  // One bus is behind all types.
  return bus as unknown as EventBus<Events, Received, HandlerContext<Tx>>;
}
