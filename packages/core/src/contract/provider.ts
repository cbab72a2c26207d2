import type { InstanceBoard } from "./board.ts";
import type { Clock } from "./clock.ts";
import type { ClearGroupOptions } from "./event-bus-module.ts";
import type { Backoff } from "./event.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Logger } from "./logger.ts";
import type { SharedRates } from "./rates.ts";
import type { ScheduleStore } from "./schedule-store.ts";
import type { OrderedFailure, Ordering } from "./subscriber.ts";

/**
 * An {@link Event} as the bus passes it to a provider: a JSON value that the bus has validated. A provider with the
 * capability `payload: "shared"` delivers this object. A provider for several processes encodes it with
 * `encodeEnvelope`.
 */
export interface Envelope {
  /** The id of the event: 1 to 255 characters. Two envelopes may have the same id. */
  readonly id: string;
  /** The name of the event: 1 to 255 characters. */
  readonly name: string;
  /** The data of the event. */
  readonly data: JsonValue;
  /** The metadata of the event, as JSON. */
  readonly metadata: EnvelopeMetadata;
  /** The delivery options of the emitter. The provider carries them, and the bus reads them. */
  readonly policy?: EnvelopePolicy | undefined;
  /** Envelopes with the same key reach an ordered subscription in the order of their publishes. Absent: no order. */
  readonly orderingKey?: string | undefined;
  /** The priority, from 1 (the most urgent) to 2 097 151. Absent: 100 (normal). */
  readonly priority?: number | undefined;
  /**
   * The milliseconds before the first delivery, counted from `publish` by the clock of the provider's server. They do not
   * delay later deliveries: a replay is due at once. Absent or 0: no delay.
   */
  readonly delayMs?: number | undefined;
  /** The id for deduplication. For a time, another envelope with this id is a `duplicate`. Absent: no deduplication. */
  readonly deduplicationId?: string | undefined;
  /**
   * The ids of the only subscriptions that get the envelope, present or earlier ones; at least one. Each has to be in
   * the list, must not be orphaned, and has to want the name. Otherwise the envelope is rejected with the code
   * `unknown-subscription`, and goes to nobody. Absent: every subscription that wants the name.
   */
  readonly to?: readonly string[] | undefined;
  /** The emitter's options for this provider: the member of `options.provider` with its name. */
  readonly providerOptions?: JsonObject | undefined;
}

/**
 * {@link EventMetadata} as JSON. Times are milliseconds since the epoch, by the wall clock of the emitting process. They
 * are for people, and decide nothing.
 */
export interface EnvelopeMetadata extends JsonObject {
  /** When `emit` was called. */
  readonly created_at: number;
  /** When the bus passed the envelope to the provider. */
  readonly published_at: number;
  /** The id of the first event of the chain. */
  readonly correlationId: string;
  /** The id of the event whose handler emitted this event. Absent: no handler emitted the event. */
  readonly causationId?: string | undefined;
  /** The number of causes of this event. Absent: 0. */
  readonly causationDepth?: number | undefined;
  /** The group that the event was staged in. Absent: in none. */
  readonly eventGroupId?: string | undefined;
  /** The workflow step that emitted the event. Absent: none. */
  readonly stepId?: string | undefined;
}

/** The delivery options of an emit. An option of the subscription takes precedence. */
export interface EnvelopePolicy {
  /** The number of runs of a delivery that may fail. */
  readonly attempts?: number | undefined;
  /** The wait between attempts. */
  readonly backoff?: Backoff | undefined;
  /** Whether failed attempts are logged at debug level. */
  readonly internal?: boolean | undefined;
  /** The options that come from the `defaults` of the emitting bus. `subscriptionDefaults` take precedence over them. */
  readonly byDefault?: readonly ("attempts" | "backoff")[] | undefined;
  /** When a grouped event may be delivered at the earliest: milliseconds since the epoch. Read at its release. */
  readonly dueAt?: number | undefined;
}

/**
 * The capabilities of a provider. They never change. The conformance suite tests each capability, whether it is present
 * or absent. A call that needs an absent capability rejects with `BUSBAR_UNSUPPORTED`. For an absent `priority`, the bus
 * logs one warning instead.
 */
export interface ProviderCapabilities {
  /** Whether published envelopes, the subscription list and dead letters survive a crash of all processes. */
  readonly durable: boolean;
  /**
   * Whether deliveries share the object of an envelope. `fresh`: each delivery has a new object, as decoding creates it.
   * `shared`: several deliveries may have the same object, and the bus copies it for each handler.
   */
  readonly payload: "shared" | "fresh";
  /** Whether `publish` delays an envelope by its `delayMs`. */
  readonly delay: boolean;
  /**
   * Whether a `retry` and a `release` delay the next delivery by their `delayMs`. Some brokers, such as NATS JetStream,
   * have this delay but not `delay`.
   */
  readonly retryDelay: boolean;
  /** Whether the provider delivers envelopes by their `priority`. */
  readonly priority: boolean;
  /** Whether the provider recognizes duplicates by their `deduplicationId`. */
  readonly deduplication: boolean;
  /** Whether the provider delivers by `orderingKey` and by the `ordering` of a subscription, also across retries. */
  readonly ordering: boolean;
  /**
   * Whether the provider delivers an envelope only to the subscriptions in its `to`.
   *
   * @default false
   */
  readonly targets?: boolean | undefined;
  /**
   * The longest time in milliseconds from the death of a process to the redelivery of its deliveries in flight. 0 if no
   * delivery survives the process.
   */
  readonly redeliverAfterMs: number;
  /**
   * The number of envelopes that one `publish` accepts, at most. With a number, the bus publishes one batch at a time, and
   * collects the next emits for the next batch. Absent: each emit publishes at once.
   */
  readonly maxBatch?: number | undefined;
  /**
   * Whether `publish` accepts all envelopes of a batch, or none of them. Of a batch that is too large for one step, it may
   * accept a part. Then it rejects all envelopes after the first one that it rejects as retryable. No envelope of an
   * `orderingKey` can then overtake a rejected one, so the bus publishes them together.
   *
   * @default false
   */
  readonly wholeBatches?: boolean | undefined;
  /**
   * The age in milliseconds that the numbers of `stats` may have, for a broker that estimates them. Within this time, a
   * pending delivery may be counted as `ready`, `delayed` or `inFlight`, whatever its state. After this time, the sum of
   * the three is right. `dead` is always exact. `bus.settled()` then waits until all queues have been empty for this time,
   * and `bus.inspect()` says that its numbers are approximate. Absent or 0: the numbers are exact.
   *
   * @default 0
   */
  readonly statsLagMs?: number | undefined;
  /**
   * The effect of a late settlement: its process stood still for so long that another process has the delivery.
   * `ignored`: a late settlement has no effect, because the broker recognizes it, for example by the token of a lease.
   * `applied`: the broker cannot recognize it, and applies it. Then a delivery that runs elsewhere may be acknowledged,
   * dead, or delivered once more, and no delivery is lost.
   *
   * A closed consumer recognizes late settlements by itself, on every provider.
   *
   * @default "ignored"
   */
  readonly lateSettlements?: "ignored" | "applied" | undefined;
}

/** The result of `publish` for one envelope. */
export type PublishResult =
  | {
      /** `duplicate`: accepted before under this `deduplicationId`, and not delivered again. */
      readonly status: "accepted" | "duplicate";
      /** How many subscriptions the envelope goes to. 0 means that nobody wants it. */
      readonly subscriptions: number;
    }
  | {
      readonly status: "rejected";
      /**
       * `overloaded`: no room in memory until the deadline. `unknown-subscription`: a subscription in `to` is not in the
       * list, or does not want the name. `refused`: anything else.
       */
      readonly code: "overloaded" | "unknown-subscription" | "refused";
      /** One sentence for the error message. */
      readonly reason: string;
      /** The id in `to` that is the cause of `unknown-subscription`. */
      readonly subscriptionId?: string | undefined;
      /**
       * Whether to publish the envelope again. `true`: the bus repeats the publish until the deadline. `"later"`: the emit
       * rejects at once, and its caller may repeat it later, as the outbox does. Absent or `false`: a repetition cannot
       * help. If the batch had emits of several callers, the bus then publishes the emits of each caller separately, once.
       */
      readonly retryable?: boolean | "later" | undefined;
      readonly cause?: unknown;
    };

/** Options of {@link EventProvider.publish}. */
export interface PublishOptions {
  /** The time after which the caller no longer waits, as a value of `clock.monotonic()`. */
  readonly deadline: number;
  /**
   * Whether a handler made the emit. Such an emit must not wait for room in memory, because the handler occupies the slot
   * that would make room.
   */
  readonly inHandler: boolean;
}

/** A delivery of one envelope to one subscription. */
export interface Delivery {
  /** The envelope to deliver. */
  readonly envelope: Envelope;
  /** The `state` of the last `retry` settlement, unchanged; undefined at first. */
  readonly state?: JsonValue | undefined;
  /**
   * The number of deliveries of this envelope since the last `retry` that ended without a settlement. A provider need not
   * count a delivery if another delivery may have ended the process, but only a limited number of times.
   */
  readonly crashes: number;
}

/** The decision of the bus about a delivery. A provider carries it out, and decides nothing itself. */
export type Settlement =
  | { readonly type: "ack" }
  | { readonly type: "retry"; readonly delayMs: number; readonly state: JsonValue }
  | { readonly type: "dead"; readonly reason: string; readonly state: JsonValue }
  /** Releases the delivery, for another process or for later. A release does not count as an attempt. */
  | { readonly type: "release"; readonly delayMs?: number | undefined };

/** Runs a delivery once, and resolves with the decision of the bus. It rejects only because of a bug. */
export type Deliver = (delivery: Delivery) => Promise<Settlement>;

/** A subscription that this process runs, and how many of its deliveries at the same time. */
export interface ConsumeSpec extends SubscriptionSpec {
  /** How many deliveries of the subscription this process runs at the same time, at most. */
  readonly concurrency: number;
}

/** A running consumer. */
export interface ConsumerHandle {
  /**
   * Stops taking deliveries, and waits up to `graceMs` milliseconds for deliveries in flight. Within `redeliverAfterMs`,
   * other consumers receive the unsettled deliveries. Later settlements are ignored. Idempotent. `close` also resolves
   * while a handler hangs.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** A report of a provider to the bus, while the provider runs. */
export type ProviderReport =
  | {
      readonly type: "state";
      readonly state: "connecting" | "ready" | "degraded" | "down";
      readonly cause?: unknown;
      /**
       * The server that the provider connects to, such as `redis.internal:6379`, for log lines. Never contains a password.
       * The bus uses this value until another report has one.
       */
      readonly server?: string | undefined;
    }
  /** Dead letters were deleted because of the limit of their number or age. */
  | {
      readonly type: "dead-letters-dropped";
      readonly subscriptionId: string;
      readonly count: number;
    }
  /** Deliveries were lost that `stop` has left unsettled, because no other process can receive them. */
  | { readonly type: "discarded"; readonly subscriptionId: string; readonly count: number };

/** The parts of the bus that a provider receives at `start`. */
export interface ProviderContext {
  /** The logger for the provider. It removes payloads and secrets from errors. */
  readonly logger: Logger;
  /**
   * The provider's only source of time: `monotonic()` for durations, deadlines and timers, `now()` for
   * times that people read. A time that several processes share comes from the provider's server.
   */
  readonly clock: Clock;
  /** The name of the application or bus: the prefix of everything that the provider stores. */
  readonly namespace: string;
  /** The id of this bus in this process. No other bus has it. */
  readonly instanceId: string;
  /** The limits of dead letters: the number for each subscription, and the age in milliseconds. */
  readonly deadLetters: { readonly maxPerSubscription: number; readonly maxAgeMs: number };
  /** The milliseconds without a `declare` after which a subscription receives no new events. */
  readonly orphanedAfterMs: number;
  /** Reports to the bus what happened in the background, where no caller can receive an error. */
  report(report: ProviderReport): void;
}

/** The result of {@link EventProvider.probe}. */
export interface ProbeResult {
  /** Whether the provider works. */
  readonly ok: boolean;
  /** One sentence for `health()`. */
  readonly detail?: string | undefined;
}

/**
 * Carries envelopes from the processes that emit to the processes that handle.
 *
 * Implement this to add a transport; applications use the bus. The bus validates, fills in defaults,
 * decides on retries and dead letters, copies payloads and ends runs that take too long. A provider does none of
 * that.
 *
 * Calls arrive in this order: `start` once; `subscriptions.declare`, `publish` and `consume` any
 * number of times and concurrently; `stop` once or more. `publish` comes also from a process that
 * never consumes.
 *
 * A provider never throws from the background, never logs payloads, and leaves neither timer nor
 * socket behind after `stop`.
 */
export interface EventProvider {
  /** Stable and lower-case, such as `"redis"`: used in logs, errors, metrics and `options.provider`. */
  readonly name: string;
  /** What the provider can do. Read once, when the bus is made. */
  readonly capabilities: ProviderCapabilities;

  /** Connects the provider. Resolves when envelopes can be published. The provider delivers nothing yet. */
  start(context: ProviderContext): Promise<void>;

  /**
   * Accepts envelopes, and routes each envelope to all declared subscriptions that match its name, in one atomic step.
   * Resolves with one result for each envelope, in order. A durable provider has then stored the envelopes. `publish` does
   * not wait for delivery, and does not retry.
   */
  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]>;

  /**
   * Publishes as `publish` does, and returns at once. `tryPublish` accepts the whole batch, in which duplicates count as
   * accepted, or does nothing and returns undefined. It returns undefined if it would have to wait, if another publish
   * waits for the same room, before `start`, and after `stop`. The bus then calls `publish`. No delivery begins before
   * `tryPublish` has returned. Only for a provider in memory, where a promise costs more than the publish.
   */
  tryPublish?(batch: readonly Envelope[]): readonly PublishResult[] | undefined;

  /**
   * Begins to deliver the envelopes of a subscription, at most `concurrency` at a time. The provider settles each delivery
   * as `deliver` decides. If `deliver` rejects, the delivery is unsettled and is delivered again. Consumers of one
   * subscription compete. Each subscription receives its own delivery of an envelope.
   */
  consume(subscription: ConsumeSpec, deliver: Deliver): Promise<ConsumerHandle>;

  /**
   * Closes every consumer as `close` does, and then all connections that the provider opened itself. A provider that is
   * not durable first delivers the deliveries that are due, within `graceMs` milliseconds. Safe to call twice, and before
   * `start`.
   */
  stop(options: { readonly graceMs: number }): Promise<void>;

  /** The subscription list. Required when durable. Without it the bus does not support `retire`. */
  readonly subscriptions?: SubscriptionRegistry | undefined;
  /**
   * Backlog and dead letters. Required when durable. Without it the bus does not support `deadLetters`, `inspect()`
   * shows zeros, and a delivery that is settled as `dead` is deleted.
   */
  readonly admin?: ProviderAdmin | undefined;
  /** Durable staging of grouped events. Without it a durable provider does not support groups. */
  readonly groups?: GroupStaging | undefined;
  /**
   * Where instances show each other what they do. For a durable provider: without a board `inspect()` shows this
   * instance only, and `tail()` reads what happens in this process.
   */
  readonly board?: InstanceBoard | undefined;
  /** Keeps schedules. Without it the bus does not support `schedules`. */
  readonly schedules?: ScheduleStore | undefined;
  /**
   * Counts runs over all processes. For a durable provider: without it the bus does not support the `rate` of a
   * subscription. In memory the bus counts by itself.
   */
  readonly rates?: SharedRates | undefined;
  /**
   * Publishes within transactions of the caller. For a provider whose queues are in a database of the application: without
   * it `withTransaction` needs a plugin that stages events, such as the outbox.
   */
  readonly transactions?: TransactionalPublishing | undefined;
  /** Looks whether the provider works, and changes nothing. */
  probe?(): Promise<ProbeResult>;
  /** Returns the version of the provider's package, and of its driver, by name: `inspect()` shows them. */
  versions?(): Readonly<Record<string, string>>;
  /**
   * The time of the server by whose clock delays, leases and ages go, in milliseconds since the epoch. The bus
   * compares it with its own clock, warns of a difference, and shows it in `health()`. For every provider that
   * is durable. Undefined: there is no such server.
   */
  serverTime?(): Promise<number | undefined>;
  /**
   * The clock of a bus on this provider, unless the bus is given one. The provider itself goes by the clock that
   * it gets in `start`. For a double in a test, so that nobody forgets to give virtual time to the bus. A durable
   * provider leaves it out: other processes do not live in its time.
   */
  readonly clock?: Clock | undefined;
  /** As `clock`, for the jitter of such a bus. Returns numbers from 0 to below 1. */
  readonly random?: (() => number) | undefined;
}

/** Publishes within transactions of the caller, on a provider whose queues are in a database of the application. */
export interface TransactionalPublishing {
  /**
   * Publishes as {@link EventProvider.publish} does, but within a transaction. Nothing is delivered before the transaction
   * commits, and nothing at all if it rolls back. A delay counts from the publish.
   *
   * A provider with this part stages grouped events within the same transaction: `groups.stage` gets it in its options.
   *
   * @throws TypeError when the transaction is not open.
   */
  publish(
    transaction: unknown,
    batch: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[]>;
}

/** A subscription as the provider knows it. */
export interface SubscriptionSpec {
  /** The id of the subscription: the application's `subscriberId`. */
  readonly subscriptionId: string;
  /** Names and patterns, without repetition. */
  readonly events: readonly string[];
  /** Which deliveries wait for each other. */
  readonly ordering: Ordering;
  /** Whether the death of an ordered delivery blocks its key. */
  readonly onOrderedFailure: OrderedFailure;
  /** Earlier ids: pending deliveries and dead letters under them belong to this subscription from now on. */
  readonly aliases: readonly string[];
  /**
   * Whether a caller waits for one event. The bus retires such a subscription itself. A durable provider forgets it, with
   * its pending deliveries, when no process has declared it for 5 minutes: its process has ended. A provider that leaves this
   * out keeps such a subscription as an orphan.
   *
   * @default false
   */
  readonly temporary?: boolean | undefined;
}

/** A subscription in the provider's list. */
export interface RegisteredSubscription extends SubscriptionSpec {
  /** Milliseconds since the epoch of the last `declare`. */
  readonly lastSeenAt: number;
  /** Not declared for `orphanedAfterMs`: gets no new events, keeps its backlog. */
  readonly orphaned: boolean;
  /** How many events it did not get because it was orphaned. Kept until it is retired. */
  readonly withheld: number;
  /** Whether `pause` holds for every process. Absent: no. */
  readonly paused?: boolean | undefined;
}

/** What becomes of deliveries that wait in a subscription when it, or some of its events, is retired. */
export type RetiredBacklog = "keep" | "dead-letter" | "discard";

/** The list of subscriptions that `publish` routes by. Durable where the provider is. */
export interface SubscriptionRegistry {
  /**
   * Adds subscriptions, or events to those known. Never removes. Resolves once every `publish` that
   * begins later, in any process, routes by it. If processes differ in `ordering` or `onOrderedFailure`, the
   * strictest policy holds for all of them while it is declared, also under an earlier id: see
   * `strictestPolicies`.
   */
  declare(subscriptions: readonly SubscriptionSpec[]): Promise<void>;
  /** Resolves with the subscriptions of all processes, under their present ids. */
  list(): Promise<readonly RegisteredSubscription[]>;
  /**
   * Removes events from a subscription, or all of it when `events` is absent. Resolves with the number
   * of waiting deliveries that were dead-lettered (reason `retired`) or discarded.
   *
   * With `dead-letter`, no dead letter is dropped to make room: deliveries beyond the bound in
   * {@link ProviderContext.deadLetters} go on waiting. Safe to call again, also for a subscription that was retired.
   */
  retire(
    subscriptionId: string,
    options: {
      readonly events?: readonly string[] | undefined;
      readonly backlog: RetiredBacklog;
    },
  ): Promise<number>;
  /**
   * Records, as durably as the list, whether a subscription is paused in every process. The bus stops and starts the
   * consumers: a provider only keeps the flag, lists it, and forgets it when the subscription is retired.
   */
  setPaused?(subscriptionId: string, paused: boolean): Promise<void>;
}

/** A subscription's queue in numbers. They may lag behind by `capabilities.statsLagMs`. */
export interface SubscriptionStats {
  /** The present id of the subscription. */
  readonly subscriptionId: string;
  /** Deliveries that could run now. */
  readonly ready: number;
  /** Deliveries that are not due yet, and deliveries that wait for another delivery of their key. */
  readonly delayed: number;
  /** Deliveries that a process has received and not settled. */
  readonly inFlight: number;
  /** Dead letters that are kept. */
  readonly dead: number;
  /** Milliseconds since the epoch at which the oldest waiting delivery was published. Absent: none, or unknown. */
  readonly oldestAt?: number | undefined;
}

/** A delivery that ended dead. */
export interface DeadDelivery {
  /** The id of the dead letter within its subscription. An event that was emitted twice may have two dead letters. */
  readonly id: string;
  /** The envelope of the delivery. */
  readonly envelope: Envelope;
  /** The `reason` of the `dead` settlement, or the provider's own: `retired`, `drained` or `corrupt`. */
  readonly reason: string;
  /** The `state` of the `dead` settlement, unchanged. */
  readonly state: JsonValue;
  /** Milliseconds since the epoch. */
  readonly diedAt: number;
}

/** A delivery in the queue of a subscription that has not begun. */
export interface WaitingDelivery {
  /** Unique in its subscription. */
  readonly id: string;
  /** The envelope that waits. */
  readonly envelope: Envelope;
  /** `ready`: it could be delivered now. `delayed`: its time has not come. `blocked`: it waits behind another of its key. */
  readonly state: "ready" | "delayed" | "blocked";
  /** When a delayed delivery becomes due: milliseconds since the epoch, by the clock of the provider's server. */
  readonly dueAt?: number | undefined;
}

/** One page of a list. */
export interface Page<T> {
  /** The items of the page. May be empty. */
  readonly items: readonly T[];
  /** The cursor to pass for the next page. Absent on the last page. */
  readonly cursor?: string | undefined;
}

/**
 * Looks into queues, and deals with dead letters. Subscriptions go by their present ids: what `stats`
 * calls them.
 */
export interface ProviderAdmin {
  /**
   * Resolves with the numbers of every subscription that has pending deliveries, deliveries in flight or dead letters.
   * Other subscriptions may be left out.
   */
  stats(): Promise<readonly SubscriptionStats[]>;
  /** Dead letters of a subscription, the oldest first. Empty for an unknown one. */
  listDead(
    subscriptionId: string,
    page: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<Page<DeadDelivery>>;
  /**
   * Moves dead letters back into their subscription's queue, each with no state and no crashes, and
   * in one atomic step. A letter of an ordered key goes last of its key, or first if its death blocks the key.
   * Resolves with how many there were; unknown ids are ignored.
   *
   * With `data`, the letters are delivered with this data instead of their own: the bus then gives one id.
   */
  replayDead(
    subscriptionId: string,
    ids: readonly string[],
    options?: { readonly data?: JsonValue | undefined },
  ): Promise<number>;
  /** Deletes dead letters. Resolves with how many there were. */
  discardDead(subscriptionId: string, ids: readonly string[]): Promise<number>;
  /**
   * Resolves with the dead letters that have these ids; unknown ids are left out. Required when durable. A provider
   * that has it also takes `data` in `replayDead`.
   */
  getDead?(subscriptionId: string, ids: readonly string[]): Promise<readonly DeadDelivery[]>;
  /**
   * Lists deliveries of a subscription that have not begun: what becomes ready first comes first, roughly. With
   * `eventId`, those of this event only.
   */
  listWaiting?(
    subscriptionId: string,
    page: {
      readonly limit: number;
      readonly cursor?: string | undefined;
      readonly eventId?: string | undefined;
    },
  ): Promise<Page<WaitingDelivery>>;
  /**
   * Takes every delivery that has not begun out of a subscription's queue, and keeps the subscription. Those in flight
   * go on. Resolves with the number of deliveries that were dead-lettered (reason `drained`) or discarded.
   *
   * With `dead-letter`, no dead letter is dropped to make room: deliveries beyond the bound in
   * {@link ProviderContext.deadLetters} go on waiting.
   */
  drain?(
    subscriptionId: string,
    options: { readonly backlog: Exclude<RetiredBacklog, "keep"> },
  ): Promise<number>;
  /**
   * Takes the deliveries of an event that are not in flight out of the queues of all subscriptions, or of one. Retries
   * are also taken. Dead letters stay. Their `deduplicationId` may be used again, and the next delivery of an
   * ordered key may begin. Resolves with the number of deliveries.
   */
  cancel?(
    eventId: string,
    options: { readonly subscriptionId?: string | undefined },
  ): Promise<number>;
  /** The name that the broker has for the queue of a subscription, for people who look into the broker. */
  queueName?(subscriptionId: string): string;
}

/** An event that waits in a group. */
export interface StagedEvent {
  /** `published_at` is set at release, from which `delayMs` counts. */
  readonly envelope: Envelope;
}

/** A group in numbers, for `inspect()`. */
export interface StagedGroup {
  /** The staged group. */
  readonly eventGroupId: string;
  /** How many events the group holds. */
  readonly events: number;
  /** When its first event was staged, in milliseconds since the epoch, by the clock of the staging's server. */
  readonly stagedAt: number;
  /** Release was asked for, and is not finished. */
  readonly marked: boolean;
}

/** The right to publish a group's events, for a while. */
export interface GroupClaim {
  /** The claimed group. */
  readonly eventGroupId: string;
  /** In the order of their emits. */
  readonly events: readonly StagedEvent[];
  /** The staging's own proof of the claim. */
  readonly token: string;
}

/** Options of {@link KnownGroups.release}. */
export interface KnownReleaseOptions extends PublishOptions {
  /**
   * The token of events among the envelopes that were not staged before, if there are any. The release counts
   * as their staging: a `stage` with this token does nothing after it, and it does nothing after such a `stage`.
   */
  readonly unstaged?: string | undefined;
}

/**
 * Releases groups in one step, if this process knows what they hold: it has staged all of that itself.
 * Useful where `mark`, `claim` and `complete` are a request each.
 */
export interface KnownGroups {
  /** What this process has staged in a group, in the order of its emits, if it remembers that. It then forgets it. */
  take(eventGroupId: string): readonly StagedEvent[] | undefined;
  /**
   * Publishes `envelopes` and deletes the group in one step, if `events` are all that it holds, and nobody
   * has a claim on it. Otherwise does nothing, and resolves with undefined: the group is to be marked and
   * claimed. Without `events` the group must be empty. Releases that wait for each other leave together.
   * Events whose result is `rejected` stay staged, if they were.
   */
  release(
    eventGroupId: string,
    events: readonly StagedEvent[],
    envelopes: readonly Envelope[],
    options: KnownReleaseOptions,
  ): Promise<readonly PublishResult[] | undefined>;
}

/** Options of {@link GroupStaging.stage}. */
export interface StageOptions {
  /** Milliseconds after which the group expires, counted from its last event. */
  readonly ttlMs?: number | undefined;
  /**
   * The caller's own transaction. Only the staging of a plugin that stages within transactions gets one, and that of a
   * provider with {@link EventProvider.transactions}.
   */
  readonly transaction?: unknown;
  /** Identifies the call: only a staging with {@link GroupStaging.known} gets one. The same call again does nothing. */
  readonly token?: string | undefined;
}

/**
 * Keeps grouped events until they are released or cleared. A release marks the group, and claims it for the time of a
 * lease. Then it publishes and deletes the events of the group in one step. So concurrent releases, and a crash between
 * the steps, neither lose nor repeat an event.
 */
export interface GroupStaging {
  /** Adds events to a group. Resolves once they are as safe as the staging is. */
  stage(eventGroupId: string, events: readonly StagedEvent[], options: StageOptions): Promise<void>;
  /** Records, as durably as the events themselves, that the group is to be released. */
  mark(eventGroupId: string): Promise<void>;
  /**
   * Claims the events that a marked group had when it was marked, or those of any marked group.
   * Resolves with undefined when there is none, or when it is claimed and the lease has not ended.
   */
  claim(options: {
    readonly eventGroupId?: string | undefined;
    readonly leaseMs: number;
  }): Promise<GroupClaim | undefined>;
  /**
   * Publishes `envelopes` and deletes the claimed events, in one step. Events whose result is
   * `rejected` stay staged and marked.
   */
  complete(
    claim: GroupClaim,
    envelopes: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[]>;
  /** Gives a claim up, so that the next `claim` need not wait for the lease to end. */
  abandon(claim: GroupClaim): Promise<void>;
  /** Deletes staged events. Resolves with how many. */
  clear(eventGroupId: string, options: ClearGroupOptions): Promise<number>;
  /** Resolves with every group that is neither released nor cleared. */
  list(): Promise<readonly StagedGroup[]>;
  /** A shorter way to release a group, if there is one. */
  readonly known?: KnownGroups | undefined;
}
