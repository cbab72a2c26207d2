/**
 * What travels with an event beside its data. Members that the bus does not know pass through
 * untouched, as JSON.
 */
export interface EventMetadata {
  /** Stages the event in this group until the group is released or cleared. */
  readonly eventGroupId?: string | undefined;
  /** The workflow step that emitted the event, so that compensation can clear its events only. */
  readonly stepId?: string | undefined;
  /**
   * When `emit` was called, by the clock of the emitting process. Set by the bus unless given. A `Date` in
   * handlers, on every provider.
   */
  readonly createdAt?: Date | undefined;
  /**
   * When the event was published, by the clock of the publishing process; for a grouped event, when its group was
   * released. Set by the bus: what is given is ignored.
   */
  readonly publishedAt?: Date | undefined;
  /** The same as `createdAt`, under the name that Medusa has for it. `createdAt` goes before it. */
  readonly created_at?: Date | undefined;
  /** The same as `publishedAt`, under the name that Medusa has for it. */
  readonly published_at?: Date | undefined;
  /** Shared by an event and all that was emitted because of it: the id of the first one. */
  readonly correlationId?: string | undefined;
  /** The id of the event in whose handler this one was emitted. */
  readonly causationId?: string | undefined;
  /**
   * How many events were emitted, each in the handler of the one before, until this one was. Set by the bus in
   * handlers; what is given there is ignored. Absent, and so 0, for the first.
   */
  readonly causationDepth?: number | undefined;
  readonly [key: string]: unknown;
}

/** Something that happened. */
export interface Event<T = unknown> {
  /** A UUIDv7 (RFC 9562) unless the caller gave one. The same from `emit` to the last handler. */
  readonly id: string;
  /** Dotted, such as `order.placed`. */
  readonly name: string;
  /**
   * What the emitter gave, as JSON made it. Each handler gets its own copy, unless the bus has `isolation: "none"`.
   */
  readonly data: T;
  /** What travels with the event: the emitter's own members, and those that the bus sets. */
  readonly metadata: EventMetadata;
}

/**
 * How long to wait between the attempts of a delivery, in milliseconds. A number is a fixed delay.
 */
export type Backoff = number | BackoffOptions;

/** The long form of {@link Backoff}. */
export interface BackoffOptions {
  /** `fixed` waits `delay` each time; `exponential` doubles it: `delay * 2 ** (attempt - 1)`. */
  readonly type: "fixed" | "exponential";
  /** Milliseconds before the second attempt. */
  readonly delay: number;
  /**
   * The share of the delay that is random, from 0 to 1: with 0.5, a delay of 1 000 ms becomes
   * something between 500 and 1 000 ms. Keeps deliveries that failed together from returning
   * together.
   *
   * @default 0
   */
  readonly jitter?: number | undefined;
  /** The longest delay in milliseconds, jitter included. No limit by default. */
  readonly maxDelay?: number | undefined;
}

/** A level, or a number from 1 (the most urgent) to 2 097 151. `high` is 10, `normal` 100, `low` 1 000. */
export type Priority = "high" | "normal" | "low" | number;

/** How an event is delivered. What a subscription says of itself goes before what is said here. */
export interface EmitOptions {
  /**
   * How often a delivery may run and fail before it is dead, the first run included.
   *
   * @default 1
   */
  readonly attempts?: number | undefined;
  /** The wait between attempts. None by default. */
  readonly backoff?: Backoff | undefined;
  /**
   * Milliseconds before the event is delivered, counted for a grouped event from its release. Or the time from
   * which it is delivered: a time that has passed delivers at once. None by default.
   */
  readonly delay?: number | Date | undefined;
  /**
   * Which waiting deliveries go first. A hint: a provider without priorities ignores it, and says so once.
   *
   * @default "normal"; "low" for an `internal` event
   */
  readonly priority?: Priority | undefined;
  /**
   * Whether the event is for the application's own bookkeeping. Failed attempts that have another to come are logged
   * at debug level. The priority is `"low"`, unless `priority` says otherwise.
   *
   * @default false
   */
  readonly internal?: boolean | undefined;
  /** Events with the same key reach a subscription with `ordering: "key"` in the order of their emits. */
  readonly orderingKey?: string | undefined;
  /** Within the provider's window, a second event with this id is accepted and not delivered. */
  readonly deduplicationId?: string | undefined;
  /**
   * One provider's own options, under its name: `{ redis: { … } }`. Those of other providers are
   * passed over. Merged over those of a lower precedence, name by name.
   */
  readonly provider?: Readonly<Record<string, unknown>> | undefined;
}

/** What one hands to `emit`. The bus makes it an {@link Event}. */
export interface EventMessage<T = unknown> {
  /** 1 to 255 characters, dotted, such as `order.placed`. */
  readonly name: string;
  /** A JSON value. The bus copies it when `emit` is called. */
  readonly data: T;
  /** Emit again with the same id after an outcome that is unknown. Identifies; does not deduplicate. */
  readonly id?: string | undefined;
  /** What travels with the event beside its data. None by default. */
  readonly metadata?: EventMetadata | undefined;
  /** Goes before the options of the `emit` call. */
  readonly options?: EmitOptions | undefined;
}
