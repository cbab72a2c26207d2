import type { Event } from "./event.ts";

/**
 * Why a delivery is dead.
 *
 * - `failed`: no attempts were left.
 * - `permanent`: a handler threw a `PermanentError`.
 * - `crashed`: the process ended more than `maxCrashes` times while it ran the delivery.
 * - `invalid`: the data did not match its schema at consume.
 * - `retired`: the subscription, or its event, was retired.
 * - `drained`: the queue of the subscription was drained.
 * - `corrupt`: the provider could not read the delivery.
 */
export type DeadReason =
  | "failed"
  | "permanent"
  | "crashed"
  | "invalid"
  | "retired"
  | "drained"
  | "corrupt";

/** An event in a notice: without its data, so that a listener that logs the notice logs no payload. */
export type NoticedEvent = Pick<Event, "id" | "name" | "metadata">;

/** The delivery that a notice is about. */
export interface NoticedDelivery {
  /** The subscription that the event was delivered to. */
  readonly subscriberId: string;
  /** The delivered event, without its data. */
  readonly event: NoticedEvent;
  /** The number of the run: 1 for the first, 2 for the first retry. Crashes and releases do not count. */
  readonly attempt: number;
}

/** A run that has ended. */
export interface NoticedRun extends NoticedDelivery {
  /** How long the run took, in milliseconds. Undefined if nobody listened to the bus when the run began. */
  readonly durationMs: number | undefined;
}

/** What `bus.on` can listen to: the name of each notice, and what its listeners get. */
export interface BusNotices {
  /** The provider accepted an event: emitted here, released with its group here, or sent by a relay here. */
  readonly emitted: {
    /** The accepted event, without its data. */
    readonly event: NoticedEvent;
    /** The number of subscriptions that the provider delivers the event to. */
    readonly subscriptions: number;
  };
  /** The provider accepted an event that no subscription anywhere wants. Follows `emitted`. */
  readonly unrouted: {
    /** The unwanted event, without its data. */
    readonly event: NoticedEvent;
  };
  /** A run acknowledged its delivery. */
  readonly delivered: NoticedRun;
  /** A run threw, rejected or timed out. */
  readonly failed: NoticedRun & {
    /** How many runs of this delivery may fail. */
    readonly attempts: number;
    /** What the handler threw. It is the application's own value, and may hold what must not be logged. */
    readonly error: unknown;
    /** Milliseconds until the delivery runs again. Undefined if it does not: then `dead` follows. */
    readonly delayMs: number | undefined;
  };
  /**
   * A delivery that ran here has become a dead letter. Deliveries without a run cause no notice: pending deliveries of a
   * subscription that `retire` ends, and deliveries that the provider cannot read.
   */
  readonly dead: NoticedDelivery & {
    /** Why the delivery is dead. */
    readonly reason: DeadReason;
    /** What the last run threw, or an error that says how often the process has crashed. */
    readonly error: unknown;
  };
  /** This process released a delivery, uncounted: for another process, or for later. */
  readonly released: NoticedDelivery & {
    /**
     * `shutdown`: the bus stops, and the grace is over. `requested`: the handler threw a `ReleaseDelivery`, or
     * the `rate` did not let a batch start before its consumer closed.
     * `no-handler`: this process has no handler for the event.
     */
    readonly reason: "shutdown" | "requested" | "no-handler";
    /** Milliseconds before which the delivery does not run again. Undefined: it may run at once. */
    readonly delayMs: number | undefined;
  };
  /**
   * A durable subscription gets no new events, because no process has declared it for `orphanedAfterMs`. Each
   * process finds out on its own, within a minute, and says so once.
   */
  readonly orphaned: {
    /** The orphaned subscription. */
    readonly subscriberId: string;
    /** When a process last declared the subscription. */
    readonly lastSeenAt: Date;
    /** How many events the subscription has not got for this reason. */
    readonly withheld: number;
  };
  /** The status of the bus has changed: its start and stop, what the provider reports, what `health()` finds. */
  readonly state: {
    /** `degraded`: some of the work is done. `down`: none of it. */
    readonly status: "up" | "degraded" | "down";
    /** The name of the provider. */
    readonly provider: string;
    /** One sentence, if there is something to say. */
    readonly detail: string | undefined;
    /** The error behind the status, without values that must not be logged. */
    readonly cause: unknown;
  };
}

/** The name of a notice. */
export type BusNoticeName = keyof BusNotices;

/** Called with each notice of one name. Nothing waits for the promise that it may return. */
export type BusListener<Name extends BusNoticeName = BusNoticeName> = (
  notice: BusNotices[Name],
) => void | Promise<void>;

/**
 * Calls a listener with each notice of one name, from now on.
 *
 * @returns A function that ends it. Safe to call twice.
 */
export type ListenToBus = <Name extends BusNoticeName>(
  name: Name,
  listener: BusListener<Name>,
) => () => void;
