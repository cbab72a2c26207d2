import type { EmitOptions, Event, EventMessage } from "./event.ts";
import type { EventName, EventSelector, SelectedEvent, TypedMessage } from "./event-patterns.ts";
import type { Interceptor } from "./interceptor.ts";
import type {
  BatchContext,
  BatchOptions,
  BatchSubscriber,
  DeliveryContext,
  Subscriber,
  SubscriberContext,
} from "./subscriber.ts";

/** Which events of a group to clear. Both given: those that match both. */
export interface ClearGroupOptions {
  /** Names of the events to clear. Events of all names by default. */
  readonly eventNames?: readonly string[] | undefined;
  /** Ids of workflow steps, as in `metadata.stepId`. */
  readonly stepIds?: readonly string[] | undefined;
}

/** What `emit` takes after that. */
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

/** The handler of what was selected where the events are known. `Batch` is the `batch` of its subscription. */
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

// Methods, and not types of functions: TypeScript lets a bus that knows its events stand in for one that does not
// for methods only.

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
    context: SubscriberContext<BatchOptions>,
  ): Bus;
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
  // Spelled out, so that the compiler lists the names of events to someone who misspells one.
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
    context?: SubscriberContext<Batch>,
  ): Bus;
}

/** The methods in which events stand. `Bus` is what `subscribe` returns, and `OneId` the ids of one event. */
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
 * The event module: what applications, workflows and subscribers see, whichever provider carries
 * the events. Registered in the container as `Modules.EVENT_BUS`.
 *
 * @typeParam Events The payload that is emitted, by event name. Then `emit` takes no other names and no other data.
 *   Without it, every name and all data is taken.
 * @typeParam Received The payload that handlers get, where a schema changes it.
 * @typeParam Context What handlers get beside the event: on a bus with an inbox, with its transaction.
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
   * Emits one event or several, and resolves with their ids, in order, once the provider has
   * accepted them: durably, where it is durable. Handlers run later; one that fails never makes
   * this reject. Grouped events resolve once they are staged. All messages are validated before
   * any is sent.
   *
   * @throws BusbarError `BUSBAR_INVALID_MESSAGE` when a message is malformed; none was sent.
   * @throws BusbarError `BUSBAR_INVALID_EVENT` when data does not match the event's schema; none was sent.
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider cannot do what an option asks; none was sent.
   * @throws BusbarError `BUSBAR_OVERLOADED` when a subscription in memory had no room within `emitTimeoutMs`.
   * @throws BusbarError `BUSBAR_UNAVAILABLE` when the provider refused; `details` say what was accepted.
   * @throws BusbarError `BUSBAR_EMIT_TIMEOUT` when the provider did not answer within `emitTimeoutMs`: the
   *   outcome is unknown, and emitting again with the same ids is safe where handlers are idempotent.
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
   * Subscribes to events by name or pattern: `order.*` is one more segment, `order.**` one or more,
   * `*` every event. A symbol stands for its description. May be called before and after `start`;
   * an emit that follows waits until the provider knows the subscription.
   *
   * @throws TypeError when the same `subscriberId` is already on the event, or has another policy.
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
   * Ends a subscription in this process, by function or, with `context.subscriberId`, by id.
   * Runs in flight finish. On a durable provider other processes go on with it, and its events wait
   * for them: `retire` ends it everywhere.
   *
   * @example
   * ```ts
   * bus.unsubscribe("order.placed", sendReceipt);
   * ```
   */
  readonly unsubscribe: EventMethods<Events, Received, Context, this>["subscribe"];

  /**
   * Publishes the events of a group, in the order of their emits. Resolves once the provider has accepted
   * them; where groups are staged durably, also once the group is marked for release and the provider fails:
   * this process, or another, then publishes them as soon as it can. Safe to call again and from several places: each event is published once.
   * Events that join the group later wait for the next release.
   *
   * @throws BusbarError `BUSBAR_UNAVAILABLE`, `BUSBAR_EMIT_TIMEOUT` or `BUSBAR_OVERLOADED`; `details.marked`
   *   says whether the group is known to be marked.
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

  /** Drops the staged events of a group: all, or those that `options` name. */
  clearGroupedEvents(eventGroupId: string, options?: ClearGroupOptions): Promise<void>;

  /**
   * Adds an interceptor, which sees each event before it is published. Interceptors run in the order in which they
   * were added.
   */
  addInterceptor(interceptor: Interceptor): this;
  /** Removes an interceptor. Does nothing if the interceptor was not added. */
  removeInterceptor(interceptor: Interceptor): this;
}
