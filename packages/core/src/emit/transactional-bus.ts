import type { EmitOptions, EventMessage } from "../contract/event.ts";
import type { ClearGroupOptions, IEventBusModule } from "../contract/event-bus-module.ts";
import type { Interceptor } from "../contract/interceptor.ts";
import type {
  BatchOptions,
  BatchSubscriber,
  ContextOf,
  Subscriber,
  SubscriberContext,
} from "../contract/subscriber.ts";
import type { AnySubscriberContext } from "../deliver/policy.ts";
import type { EventSelector } from "../deliver/subscriptions.ts";
import type { Emission } from "./envelopes.ts";

/** Writes what is emitted into the caller's transaction, and resolves with the ids. */
export type Stager = (
  first: Emission,
  second: unknown,
  third: EmitOptions | undefined,
) => Promise<readonly string[]>;

type AnyHandler = Subscriber<never> | BatchSubscriber<never>;

/** A bus within a transaction: its emits are staged, everything else is the bus's own. */
export class TransactionalBus implements IEventBusModule {
  readonly #bus: IEventBusModule;
  readonly #stage: Stager;

  constructor(bus: IEventBusModule, stage: Stager) {
    this.#bus = bus;
    this.#stage = stage;
  }

  emit<T>(
    message: EventMessage<T> | readonly EventMessage<T>[],
    options?: EmitOptions,
  ): Promise<readonly string[]>;
  emit<T>(name: string | symbol, data: T, options?: EmitOptions): Promise<readonly string[]>;
  emit(first: Emission, second?: unknown, third?: EmitOptions): Promise<readonly string[]> {
    return this.#stage(first, second, third);
  }

  subscribe<T>(event: EventSelector, handler: Subscriber<T>, context?: SubscriberContext): this;
  subscribe<T>(
    event: EventSelector,
    handler: BatchSubscriber<T>,
    context: ContextOf<BatchOptions>,
  ): this;
  subscribe(event: EventSelector, handler: AnyHandler, context?: AnySubscriberContext): this {
    this.#bus.subscribe(event, handler as Subscriber, context as SubscriberContext);
    return this;
  }

  unsubscribe<T>(event: EventSelector, handler: Subscriber<T>, context?: SubscriberContext): this;
  unsubscribe<T>(
    event: EventSelector,
    handler: BatchSubscriber<T>,
    context?: SubscriberContext<BatchOptions | undefined>,
  ): this;
  unsubscribe(event: EventSelector, handler: AnyHandler, context?: AnySubscriberContext): this {
    this.#bus.unsubscribe(event, handler as Subscriber, context as SubscriberContext);
    return this;
  }

  releaseGroupedEvents(eventGroupId: string): Promise<void> {
    return this.#bus.releaseGroupedEvents(eventGroupId);
  }

  clearGroupedEvents(eventGroupId: string, options?: ClearGroupOptions): Promise<void> {
    return this.#bus.clearGroupedEvents(eventGroupId, options);
  }

  addInterceptor(interceptor: Interceptor): this {
    this.#bus.addInterceptor(interceptor);
    return this;
  }

  removeInterceptor(interceptor: Interceptor): this {
    this.#bus.removeInterceptor(interceptor);
    return this;
  }
}
