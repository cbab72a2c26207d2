import type { EventBus, SubscriptionRef } from "./event-bus.ts";
import type { IEventBusModule } from "./contract/event-bus-module.ts";
import type { EmitOptions } from "./contract/event.ts";
import type { Interceptor } from "./contract/interceptor.ts";
import type { Middleware } from "./contract/middleware.ts";
import type { DeliveryContext, Subscriber, SubscriberContext } from "./contract/subscriber.ts";
import type {
  EventName,
  EventSelector,
  SelectedEvent,
  TypedMessage,
} from "./events/event-patterns.ts";

/** What a typed `emit` takes first: a name, a message or several; a symbol stays untyped. */
export type Emittable<Events extends object> =
  | EventName<Events>
  | symbol
  | TypedMessage<Events>
  | readonly TypedMessage<Events>[];

/** What a typed `emit` takes after that. */
export type EmitRest<Events extends object, Emitted> =
  Emitted extends EventName<Events>
    ? [data: Events[Emitted], options?: EmitOptions | undefined]
    : Emitted extends symbol
      ? [data: unknown, options?: EmitOptions | undefined]
      : [options?: EmitOptions | undefined];

/** What one can subscribe to on a typed bus; a symbol stays untyped. */
export type Subscribable<Events extends object> = EventSelector<Events> | symbol;

/** The handler of what was selected on a typed bus. */
export type TypedHandler<Events extends object, Selector> = Selector extends symbol
  ? // Nothing is known of the data behind a symbol: the handler says it.
    // oxlint-disable-next-line typescript/no-explicit-any
    Subscriber<any>
  : (event: SelectedEvent<Events, Selector>, context: DeliveryContext) => void | Promise<void>;

/**
 * An event module that knows its events: `emit` takes those of `Events`, handlers get those of
 * `Received`, and other names do not compile. It fits wherever an {@link IEventBusModule} is asked
 * for, which is also the way to untyped use.
 *
 * @example
 * ```ts
 * const bus = container.resolve<TypedEventModule<ShopEvents>>(Modules.EVENT_BUS);
 * ```
 */
export interface TypedEventModule<
  Events extends object,
  Received extends object = Events,
> extends Omit<IEventBusModule, TypedMethod> {
  /**
   * As {@link IEventBusModule.emit}: `emit(name, data, options?)`, `emit(message, options?)` or
   * `emit(messages, options?)`, where the type of the data follows the name.
   */
  // One signature, not three: for overloads the compiler only explains why the last did not fit.
  emit<Emitted extends Emittable<Events>>(
    event: Emitted,
    ...rest: EmitRest<Events, Emitted>
  ): Promise<readonly string[]>;
  /** As {@link IEventBusModule.subscribe}, where the type of the event follows name and pattern. */
  subscribe<const Selector extends Subscribable<Received>>(
    event: Selector,
    subscriber: TypedHandler<Received, Selector>,
    context?: SubscriberContext,
  ): this;
  /** As {@link IEventBusModule.unsubscribe}, where the type of the event follows name and pattern. */
  unsubscribe<const Selector extends Subscribable<Received>>(
    event: Selector,
    subscriber: TypedHandler<Received, Selector>,
    context?: SubscriberContext,
  ): this;
  /** As {@link IEventBusModule.addInterceptor}. */
  addInterceptor(interceptor: Interceptor): this;
  /** As {@link IEventBusModule.removeInterceptor}. */
  removeInterceptor(interceptor: Interceptor): this;
}

/** An {@link EventBus} that knows its events, as `createEventBus` makes it of a catalogue. */
export interface TypedEventBus<Events extends object, Received extends object = Events>
  extends
    Omit<EventBus, keyof IEventBusModule | "use" | "withTransaction">,
    TypedEventModule<Events, Received> {
  /** As {@link IEventBusModule.unsubscribe}, where the type of the event follows name and pattern. */
  unsubscribe<const Selector extends Subscribable<Received>>(
    event: Selector,
    subscriber: TypedHandler<Received, Selector>,
    context?: SubscriberContext,
  ): this;
  /** Ends a subscription in this process, with all its events, as {@link EventBus.unsubscribe} does. */
  unsubscribe(subscription: SubscriptionRef): this;
  /** As {@link EventBus.use}. */
  use(middleware: Middleware): this;
  /** As {@link EventBus.withTransaction}. */
  withTransaction(transaction: unknown): TypedEventModule<Events, Received>;
}

type TypedMethod = "emit" | "subscribe" | "unsubscribe" | "addInterceptor" | "removeInterceptor";
