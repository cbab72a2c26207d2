import type { EmitOptions, Event, EventMessage } from "./event.ts";
import type {
  EventName,
  EventPattern,
  EventSelector,
  SelectedEvent,
  TypedMessage,
} from "./event-patterns.ts";
import type { Interceptor } from "./interceptor.ts";
import type {
  BatchContext,
  BatchOptions,
  BatchSubscriber,
  ContextOf,
  DeliveryContext,
  Subscriber,
  SubscriberContext,
} from "./subscriber.ts";

/** The events of a group that `clearGroupedEvents` deletes. An event must match all members that are given. */
export interface ClearGroupOptions {
  /** Names of the events to clear. Events of all names by default. */
  readonly eventNames?: readonly string[] | undefined;
  /** The `metadata.stepId` of the events to clear: ids of workflow steps. Events of all steps by default. */
  readonly stepIds?: readonly string[] | undefined;
}

/** Options of {@link EventBus.next}. */
export interface NextOptions {
  /** Ends the wait: `next` rejects with the reason of the signal. None by default. */
  readonly signal?: AbortSignal | undefined;
  /** The milliseconds to wait for an event. By default `next` waits until the bus stops. */
  readonly timeoutMs?: number | undefined;
}

/** The arguments of `emit` after the name or the messages. */
export type EmitRest<Events extends object, Emitted> =
  Emitted extends EventName<Events>
    ? [data: Events[Emitted], options?: EmitOptions | undefined]
    : Emitted extends symbol
      ? [data: unknown, options?: EmitOptions | undefined]
      : [options?: EmitOptions | undefined];

/** The ids of what is emitted. To compare a typed bus with an untyped one, the compiler asks for those of `any`. */
type EmittedIds<Emitted, OneId> = 0 extends 1 & Emitted
  ? OneId
  : Emitted extends readonly unknown[]
    ? readonly string[]
    : OneId;

/** The handler of the selected events on a typed bus. `Batch` is the `batch` option of its subscription. */
export type TypedHandler<
  Events extends object,
  Selector,
  Context extends DeliveryContext,
  Batch,
> = Selector extends symbol
  ? // Nothing is known of the data behind a symbol: the handler says it.
    // oxlint-disable-next-line typescript/no-explicit-any
    HandlerOf<Event<any>, Context, Batch>
  : HandlerOf<SelectedEvent<Events, Selector>, Context, Batch>;

/** A {@link Subscriber}, or with `batch` a {@link BatchSubscriber}, where the type of the event is known. */
export type HandlerOf<E extends Event, Context, Batch> = Batch extends BatchOptions
  ? (events: readonly E[], context: BatchContext) => void | Promise<void>
  : (event: E, context: Context) => void | Promise<void>;

// Methods, not properties with function types: TypeScript assigns a typed bus to an untyped bus only if both have
// methods.

/** The methods in which events stand, where nothing is known of the events. */
interface UntypedMethods<Context extends DeliveryContext, Bus, OneId> {
  emit<T>(message: EventMessage<T>, options?: EmitOptions): Promise<OneId>;
  emit<T>(
    message: EventMessage<T> | readonly EventMessage<T>[],
    options?: EmitOptions,
  ): Promise<readonly string[]>;
  emit<T>(name: string | symbol, data: T, options?: EmitOptions): Promise<OneId>;
  subscribe<T>(
    event: string | symbol | readonly string[],
    subscriber: Subscriber<T, Context>,
    context?: SubscriberContext,
  ): Bus;
  subscribe<T>(
    event: string | symbol | readonly string[],
    subscriber: BatchSubscriber<T>,
    context: ContextOf<BatchOptions>,
  ): Bus;
  unsubscribe<T>(
    event: string | symbol | readonly string[],
    subscriber: Subscriber<T, Context>,
    context?: SubscriberContext,
  ): Bus;
  unsubscribe<T>(
    event: string | symbol | readonly string[],
    subscriber: BatchSubscriber<T>,
    context?: SubscriberContext<BatchOptions | undefined>,
  ): Bus;
  // oxlint-disable-next-line typescript/no-explicit-any -- the caller says what the data is
  next(event: string | symbol, options?: NextOptions): Promise<Event<any>>;
}

/** The same where a catalogue or a type says which events there are. */
interface TypedMethods<
  Events extends object,
  Received extends object,
  Context extends DeliveryContext,
  Bus,
  OneId,
> {
  // One signature, not several: for overloads the compiler only explains why the last did not fit.
  // Spelled out, so that the compiler lists the names of events after a spelling mistake.
  emit<
    Emitted extends
      | (keyof Events & string)
      | symbol
      | TypedMessage<Events>
      | readonly TypedMessage<Events>[],
  >(
    event: Emitted,
    ...rest: EmitRest<Events, Emitted>
  ): Promise<EmittedIds<Emitted, OneId>>;
  subscribe<
    const Selector extends EventSelector<Received> | symbol,
    Batch extends BatchOptions | undefined = undefined,
  >(
    event: Selector,
    subscriber: TypedHandler<Received, Selector, Context, Batch>,
    context?: ContextOf<Batch>,
  ): Bus;
  unsubscribe<const Selector extends EventSelector<Received> | symbol>(
    event: Selector,
    subscriber: TypedHandler<Received, Selector, Context, undefined>,
    context?: SubscriberContext,
  ): Bus;
  unsubscribe<const Selector extends EventSelector<Received> | symbol>(
    event: Selector,
    subscriber: TypedHandler<Received, Selector, Context, BatchOptions>,
    context?: SubscriberContext<BatchOptions | undefined>,
  ): Bus;
  next<const Selector extends EventPattern<Received> | symbol>(
    event: Selector,
    options?: NextOptions,
  ): Promise<
    // oxlint-disable-next-line typescript/no-explicit-any -- nothing is known of the data behind a symbol
    Selector extends symbol ? Event<any> : SelectedEvent<Received, Selector>
  >;
}

/**
 * The methods in which events stand. `Bus` is what `subscribe` and `unsubscribe` return, and `OneId` the ids of one
 * event.
 */
export type EventMethods<
  Events extends object,
  Received extends object,
  Context extends DeliveryContext,
  Bus,
  OneId = readonly string[],
> = [Events] extends [never]
  ? UntypedMethods<Context, Bus, OneId>
  : TypedMethods<Events, Received, Context, Bus, OneId>;

/**
 * The event module. Applications, workflows and subscribers use it with every provider. The container has it as
 * `Modules.EVENT_BUS`.
 *
 * @typeParam Events The data of emitted events, by event name. `emit` accepts only these names and their data. Without
 *   `Events`, `emit` accepts every name and all data.
 * @typeParam Received The data that handlers receive, by event name. It differs from `Events` if a schema transforms
 *   the data.
 * @typeParam Context The second argument of handlers. On a bus with an inbox, it has the transaction of the run.
 *
 * @example
 * ```ts
 * const bus = container.resolve<IEventBusModule<ShopEvents>>(Modules.EVENT_BUS);
 * ```
 */
export interface IEventBusModule<
  Events extends object = never,
  Received extends object = Events,
  Context extends DeliveryContext = DeliveryContext,
> {
  /**
   * Emits one event or several events. Resolves with their ids, in the order of the messages, when the provider has
   * accepted the events. A durable provider has then stored them. Handlers run later, and a handler that fails does not
   * reject the emit. An emit of grouped events resolves when the events are staged. The bus validates all messages
   * before it sends the first one.
   *
   * @throws BusbarError `BUSBAR_INVALID_MESSAGE` when a message is malformed. No message was sent.
   * @throws BusbarError `BUSBAR_INVALID_EVENT` when data does not match the schema of its event. No message was sent.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider does not support an option. No message was sent.
   * @throws BusbarError `BUSBAR_OVERLOADED` when a subscription in memory had no room within `emitTimeoutMs`.
   * @throws BusbarError `BUSBAR_UNAVAILABLE` when the provider rejected a message. `details` list what it accepted.
   * @throws BusbarError `BUSBAR_EMIT_TIMEOUT` when the provider did not answer within `emitTimeoutMs`. The outcome is
   *   unknown. If handlers are idempotent, it is safe to emit again with the same ids.
   * @throws BusbarError `BUSBAR_NOT_RUNNING` after `stop`.
   * @throws TypeError before `start`.
   *
   * @example
   * ```ts
   * await bus.emit("order.placed", { orderId: "42" });
   * await bus.emit([
   *   { name: "order.paid", data: { orderId: "42" } },
   *   { name: "order.shipped", data: { orderId: "42" }, options: { delay: 60_000 } },
   * ]);
   * ```
   */
  readonly emit: EventMethods<Events, Received, Context, this>["emit"];

  /**
   * Subscribes to events by name or by pattern. In a pattern, `order.*` matches one more segment, `order.**` matches one
   * or more segments, and `*` matches every event. A symbol stands for its description. `subscribe` may be called before
   * and after `start`. A later emit in this process waits until the provider has the subscription.
   *
   * @throws TypeError when the `subscriberId` is already subscribed to the event, or has another policy.
   *
   * @example
   * ```ts
   * bus.subscribe("order.placed", async ({ data }) => sendReceipt(data), {
   *   subscriberId: "send-receipt",
   *   attempts: 5,
   *   backoff: { type: "exponential", delay: 1_000 },
   * });
   * ```
   */
  readonly subscribe: EventMethods<Events, Received, Context, this>["subscribe"];

  /**
   * Ends a subscription in this process. Pass the subscriber, or its `subscriberId` in the context. Runs in flight
   * finish. On a durable provider, the subscription continues in other processes, and keeps its events for them. To end
   * a subscription everywhere, call `retire`.
   *
   * @example
   * ```ts
   * bus.unsubscribe("order.placed", sendReceipt);
   * ```
   */
  readonly unsubscribe: EventMethods<Events, Received, Context, this>["unsubscribe"];

  /**
   * Publishes the events of a group, in the order of their emits. Resolves when the provider has accepted the events. If
   * the staging is durable and the provider fails, `releaseGroupedEvents` resolves when the group is marked for release.
   * This process or another process then publishes the events as soon as possible.
   *
   * Idempotent: concurrent calls publish each event once. Events that join the group later wait for the next release.
   *
   * @throws BusbarError `BUSBAR_UNAVAILABLE`, `BUSBAR_EMIT_TIMEOUT` or `BUSBAR_OVERLOADED`. `details.marked` says
   *   whether the group is marked for release.
   * @throws whatever an interceptor throws.
   *
   * @example
   * ```ts
   * const metadata = { eventGroupId: "checkout-7" };
   * await bus.emit({ name: "order.placed", data: { orderId: "42" }, metadata });
   * await bus.releaseGroupedEvents("checkout-7");
   * ```
   */
  releaseGroupedEvents(eventGroupId: string): Promise<void>;

  /**
   * Deletes staged events of a group: all of them, or those that `options` select. Published events stay.
   *
   * @example
   * ```ts
   * await bus.clearGroupedEvents("checkout-7", { eventNames: ["order.placed"] });
   * ```
   */
  clearGroupedEvents(eventGroupId: string, options?: ClearGroupOptions): Promise<void>;

  /**
   * Adds an interceptor, which sees each event before it is published. Interceptors run in the order in which they
   * were added.
   *
   * @example
   * ```ts
   * bus.addInterceptor((event) => ({ ...event, metadata: { ...event.metadata, region: "eu" } }));
   * ```
   */
  addInterceptor(interceptor: Interceptor): this;
  /** Removes an interceptor. Does nothing if the interceptor was not added. */
  removeInterceptor(interceptor: Interceptor): this;
}
