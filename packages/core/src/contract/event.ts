/**
 * The metadata of an event. Every provider carries the metadata together with the data, as JSON. The bus does not
 * change members that it does not know.
 */
export interface EventMetadata {
  /** Stages the event in this group until the group is released or cleared. */
  readonly eventGroupId?: string | undefined;
  /** The workflow step that emitted the event, so that compensation can clear its events only. */
  readonly stepId?: string | undefined;
  /**
   * The time of the `emit` call, on the clock of the emitting process. The bus sets `createdAt` unless the caller
   * does. Handlers receive a `Date` on every provider.
   */
  readonly createdAt?: Date | undefined;
  /**
   * The time at which the event was published, on the clock of the publishing process. For a grouped event, the time
   * at which its group was released. The bus sets `publishedAt` and ignores a value from the caller.
   */
  readonly publishedAt?: Date | undefined;
  /** The same time as `createdAt`, under Medusa's name. `createdAt` takes precedence. */
  readonly created_at?: Date | undefined;
  /** The same time as `publishedAt`, under Medusa's name. */
  readonly published_at?: Date | undefined;
  /** The id of the first event of a chain. An event and all events that it caused share this id. */
  readonly correlationId?: string | undefined;
  /** The id of the event whose handler emitted this event. */
  readonly causationId?: string | undefined;
  /**
   * The number of causes of this event: its cause, the cause of its cause, and so on. In a handler, the bus sets
   * `causationDepth` and ignores a value from the caller. It is absent from the first event, which has no cause.
   */
  readonly causationDepth?: number | undefined;
  /** The id of the schedule that emitted the event. */
  readonly scheduleId?: string | undefined;
  /**
   * The due time for which a schedule emitted the event, in ISO 8601, such as `2026-12-01T02:00:00.000Z`. For an event
   * that `trigger` emitted, the time of that call.
   */
  readonly dueAt?: string | undefined;
  readonly [key: string]: unknown;
}

/** An event, as handlers receive it. */
export interface Event<T = unknown> {
  /** The id of the event: a UUIDv7 (RFC 9562), unless the caller sets an id. It never changes after `emit`. */
  readonly id: string;
  /** The name of the event, with dots, such as `order.placed`. */
  readonly name: string;
  /**
   * The data of the event, as JSON carries it. Each handler receives its own copy, unless the bus has
   * `isolation: "none"`.
   */
  readonly data: T;
  /** The metadata of the event: members that the emitter sets and members that the bus sets. */
  readonly metadata: EventMetadata;
}

/**
 * The wait between the attempts of a delivery, in milliseconds. A number is a fixed delay.
 *
 * @example
 * ```ts
 * const backoff: Backoff = { type: "exponential", delay: 1_000, jitter: 0.5, maxDelay: 60_000 };
 * ```
 */
export type Backoff = number | BackoffOptions;

/** A {@link Backoff} that can grow with each attempt, and can have a random share. */
export interface BackoffOptions {
  /** `fixed` waits `delay` each time; `exponential` doubles it: `delay * 2 ** (attempt - 1)`. */
  readonly type: "fixed" | "exponential";
  /** The wait before the second attempt, in milliseconds. */
  readonly delay: number;
  /**
   * The random share of the delay, from 0 to 1. With 0.5, a delay of 1 000 ms is between 500 and 1 000 ms. Jitter
   * spreads the retries of deliveries that failed at the same time.
   *
   * @default 0
   */
  readonly jitter?: number | undefined;
  /** The longest delay in milliseconds, jitter included. No limit by default. */
  readonly maxDelay?: number | undefined;
}

/** A level, or a number from 1 (the most urgent) to 2 097 151. `high` is 10, `normal` 100, `low` 1 000. */
export type Priority = "high" | "normal" | "low" | number;

/**
 * The options of an emit. An option of the subscription takes precedence over the same option of an emit.
 *
 * @example
 * ```ts
 * await bus.emit("order.placed", { orderId: "42" }, { attempts: 3, backoff: 1_000 });
 * ```
 */
export interface EmitOptions {
  /**
   * The number of attempts of a delivery, including the first. After the last failed attempt the delivery is dead.
   *
   * @default 1
   */
  readonly attempts?: number | undefined;
  /** The wait between attempts. By default there is no wait. */
  readonly backoff?: Backoff | undefined;
  /**
   * The milliseconds to wait before the event is delivered, or a `Date` from which it is delivered. For a grouped
   * event, the milliseconds count from the release of its group. By default the event is delivered at once.
   */
  readonly delay?: number | Date | undefined;
  /**
   * The priority of pending deliveries. A provider without priorities ignores the option, and the bus warns once.
   *
   * @default "normal"; "low" for an `internal` event
   */
  readonly priority?: Priority | undefined;
  /**
   * Whether the event is for the application's own bookkeeping. The bus logs a failed attempt at debug level if it
   * will retry the delivery. The priority is `"low"`, unless `priority` is set.
   *
   * @default false
   */
  readonly internal?: boolean | undefined;
  /** The key of ordered events. A subscription with `ordering: "key"` receives events of one key in emit order. */
  readonly orderingKey?: string | undefined;
  /** The id for deduplication. The provider does not deliver a second event with this id within its window. */
  readonly deduplicationId?: string | undefined;
  /**
   * Delivers the event to these subscriptions only, for example to repeat it for one of them. Each must exist and have
   * subscribed to the name of the event. By default every subscription of the name receives the event.
   */
  readonly to?: readonly string[] | undefined;
  /**
   * Options for one provider, under the name of the provider: `{ redis: { … } }`. Other providers ignore them. The bus
   * merges these options, name by name, over options of a lower precedence.
   */
  readonly provider?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A message that a caller passes to `emit`. The bus creates an {@link Event} from it.
 *
 * @example
 * ```ts
 * await bus.emit([{ name: "order.placed", data: { orderId: "42" }, options: { attempts: 3 } }]);
 * ```
 */
export interface EventMessage<T = unknown> {
  /** The name of the event: 1 to 255 characters, with dots, such as `order.placed`. */
  readonly name: string;
  /** The data of the event: a JSON value. The bus copies the value when `emit` is called. */
  readonly data: T;
  /** The id of the event. To repeat an emit with an unknown outcome, pass the same id. An id does not deduplicate. */
  readonly id?: string | undefined;
  /** The metadata of the event. By default the bus sets all of it. */
  readonly metadata?: EventMetadata | undefined;
  /** The options of this message. They take precedence over the options of the `emit` call. */
  readonly options?: EmitOptions | undefined;
}
