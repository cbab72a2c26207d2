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
 * An {@link Event} on its way: a JSON value that the bus has validated. A provider whose
 * `capabilities.payload` is `"shared"` passes it on as it is; one that crosses a process boundary
 * encodes it once, with `encodeEnvelope`.
 */
export interface Envelope {
  /** Any string of 1–255 characters. Two envelopes may carry the same one. */
  readonly id: string;
  /** The name of the event: 1 to 255 characters. */
  readonly name: string;
  /** The data of the event. */
  readonly data: JsonValue;
  /** The metadata of the event, as JSON. */
  readonly metadata: EnvelopeMetadata;
  /** What the emitter said of delivery. Read by the bus, carried by the provider. */
  readonly policy?: EnvelopePolicy | undefined;
  /** Envelopes with the same key reach an ordered subscription in the order of their publishes. Absent: no order. */
  readonly orderingKey?: string | undefined;
  /** From 1, the most urgent, to 2 097 151. Absent: 100, which is normal. */
  readonly priority?: number | undefined;
  /**
   * Milliseconds for which the envelope must not be delivered, counted from `publish` by the clock of the
   * provider's server. Later deliveries are not held up again: a replay, for example, is due at once.
   * Absent or 0: none.
   */
  readonly delayMs?: number | undefined;
  /** A second envelope with this id is a `duplicate` for a while. Absent: never. */
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
 * {@link EventMetadata} as JSON: times are milliseconds since the epoch, by the wall clock of the process
 * that emitted. They are for people: nothing is decided by them.
 */
export interface EnvelopeMetadata extends JsonObject {
  /** When `emit` was called. */
  readonly created_at: number;
  /** When the envelope was handed to the provider. */
  readonly published_at: number;
  /** The id of the event that all the others were emitted because of. */
  readonly correlationId: string;
  /** The id of the event in whose handler this one was emitted. Absent: in none. */
  readonly causationId?: string | undefined;
  /** How many events stand between this one and the first. Absent: 0. */
  readonly causationDepth?: number | undefined;
  /** The group that the event was staged in. Absent: in none. */
  readonly eventGroupId?: string | undefined;
  /** The workflow step that emitted the event. Absent: none. */
  readonly stepId?: string | undefined;
}

/** The emitter's wishes for delivery, used where a subscription has none of its own. */
export interface EnvelopePolicy {
  /** How many runs of a delivery may fail. */
  readonly attempts?: number | undefined;
  /** The wait between attempts. */
  readonly backoff?: Backoff | undefined;
  /** Whether failed attempts are logged at debug level. */
  readonly internal?: boolean | undefined;
  /** Which of these are the `defaults` of the emitter's bus: `subscriptionDefaults` go before them. */
  readonly byDefault?: readonly ("attempts" | "backoff")[] | undefined;
  /** When a grouped event may be delivered at the earliest: milliseconds since the epoch. Read at its release. */
  readonly dueAt?: number | undefined;
}

/**
 * What a provider can do. Fixed when the provider is made; each is tested in both directions. The bus rejects the use
 * of a declined capability with `BUSBAR_UNSUPPORTED`. It ignores `priority`, with one warning.
 */
export interface ProviderCapabilities {
  /** A published envelope, the subscription list and dead letters survive a crash of every process. */
  readonly durable: boolean;
  /**
   * `fresh`: each delivery's envelope is an object of its own, as decoding makes it. `shared`: several
   * deliveries may carry the same object, so the bus copies it before a handler sees it.
   */
  readonly payload: "shared" | "fresh";
  /** The `delayMs` of an envelope is honoured: a publish can be held back. */
  readonly delay: boolean;
  /**
   * The `delayMs` of a `retry` and of a `release` is honoured: what was delivered can be held back before it comes
   * again. Some brokers have this delay and not the other, for example NATS JetStream.
   */
  readonly retryDelay: boolean;
  /** `priority` is honoured. */
  readonly priority: boolean;
  /** `deduplicationId` is honoured. */
  readonly deduplication: boolean;
  /** `orderingKey` and the `ordering` of a subscription are honoured, across retries too. */
  readonly ordering: boolean;
  /**
   * The `to` of an envelope is honoured.
   *
   * @default false
   */
  readonly targets?: boolean | undefined;
  /**
   * The longest time in milliseconds from the death of a process to the redelivery of what it had in
   * hand. 0 where nothing outlives the process.
   */
  readonly redeliverAfterMs: number;
  /**
   * The most envelopes that one `publish` takes. Given, the bus publishes one batch at a time, and
   * what is emitted meanwhile leaves together in the next. Absent, every emit publishes at once.
   */
  readonly maxBatch?: number | undefined;
  /**
   * `publish` accepts every envelope of a batch, or none of them. It may accept a part of a batch that is too large for
   * one step. Then it rejects every envelope behind the first one that it rejects for the moment. So envelopes with one
   * `orderingKey` may be published together, and none overtakes an envelope that was rejected.
   *
   * @default false
   */
  readonly wholeBatches?: boolean | undefined;
  /**
   * Milliseconds by which the numbers of `stats` may lag behind, for a broker that only estimates them. Up to that
   * time a number may be an older one, and a waiting delivery may be counted as `ready`, `delayed` or `inFlight`
   * whatever it is; later their sum is right. `dead` is always exact. `bus.settled()` then waits until all queues have
   * been empty for so long, and `bus.inspect()` says that its numbers are approximate. Absent or 0: they are exact.
   *
   * @default 0
   */
  readonly statsLagMs?: number | undefined;
  /**
   * What becomes of a settlement by a process that stood still for so long that another process has the delivery.
   * `ignored`: the settlement changes nothing, because the broker can tell it from one in time, for example by the
   * token of a lease. `applied`: the broker cannot tell, so the settlement counts. Then nothing is lost: a delivery
   * that is running elsewhere may be acknowledged, be dead, or be delivered once more.
   *
   * It is about the broker only. A consumer that was closed knows by itself which settlements are late.
   *
   * @default "ignored"
   */
  readonly lateSettlements?: "ignored" | "applied" | undefined;
}

/** What became of one envelope of a `publish`. */
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
       * `true`: the bus publishes it again, until the deadline. `"later"`: the emit rejects at once, and may be
       * tried again later; the outbox does so. Otherwise no repetition would help: if the batch had emits of
       * several callers that were all refused so, the bus publishes the part of each caller once, on its own.
       */
      readonly retryable?: boolean | "later" | undefined;
      readonly cause?: unknown;
    };

/** Options of {@link EventProvider.publish}. */
export interface PublishOptions {
  /** When the caller no longer waits, on the scale of `clock.monotonic()`. */
  readonly deadline: number;
  /**
   * The emit comes from inside a handler. A provider that makes an emit wait for room in memory must
   * not make this one wait: the handler holds the slot that would make room.
   */
  readonly inHandler: boolean;
}

/** One envelope handed to one subscription. */
export interface Delivery {
  /** The envelope to deliver. */
  readonly envelope: Envelope;
  /** The `state` of the last `retry` settlement, unchanged; undefined at first. */
  readonly state?: JsonValue | undefined;
  /**
   * How many earlier deliveries of this envelope ended unsettled, since the last `retry`. Those in which something
   * else may have ended the process may be left out, a bounded number of times.
   */
  readonly crashes: number;
}

/** The bus's word on a delivery. A provider does exactly that, and decides nothing itself. */
export type Settlement =
  | { readonly type: "ack" }
  | { readonly type: "retry"; readonly delayMs: number; readonly state: JsonValue }
  | { readonly type: "dead"; readonly reason: string; readonly state: JsonValue }
  /** Released, and not counted: for another process, or for later. */
  | { readonly type: "release"; readonly delayMs?: number | undefined };

/** The bus's way to run a delivery once. Never rejects but for a bug. */
export type Deliver = (delivery: Delivery) => Promise<Settlement>;

/** A subscription that this process runs, and how many of its deliveries at the same time. */
export interface ConsumeSpec extends SubscriptionSpec {
  /** How many deliveries of the subscription this process runs at the same time, at most. */
  readonly concurrency: number;
}

/** A running consumer. */
export interface ConsumerHandle {
  /**
   * Takes no new deliveries, and waits up to `graceMs` milliseconds for deliveries in flight. It leaves the rest to other
   * processes within `redeliverAfterMs`, and ignores a later settlement.
   * Idempotent, and works while a handler hangs.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** What a provider reports to the bus while it runs. */
export type ProviderReport =
  | {
      readonly type: "state";
      readonly state: "connecting" | "ready" | "degraded" | "down";
      readonly cause?: unknown;
      /**
       * What the provider connects to, such as `redis.internal:6379`, for log lines: never with a password. The
       * bus keeps it until another report has one.
       */
      readonly server?: string | undefined;
    }
  /** Dead letters left because of their bound, by number or by age. */
  | {
      readonly type: "dead-letters-dropped";
      readonly subscriptionId: string;
      readonly count: number;
    }
  /** Deliveries left unsettled by `stop` that nobody will take up. */
  | { readonly type: "discarded"; readonly subscriptionId: string; readonly count: number };

/** What the bus gives a provider at `start`. */
export interface ProviderContext {
  /** Where the provider logs. Errors lose what must not be logged on their way through it. */
  readonly logger: Logger;
  /**
   * The provider's only source of time: `monotonic()` for durations, deadlines and timers, `now()` for
   * times that people read. A time that several processes share comes from the provider's server.
   */
  readonly clock: Clock;
  /** The name of the application or bus: the prefix of everything the provider names. */
  readonly namespace: string;
  /** Unique to this bus in this process. */
  readonly instanceId: string;
  /** The bound on dead letters: per subscription, and by age in milliseconds. */
  readonly deadLetters: { readonly maxPerSubscription: number; readonly maxAgeMs: number };
  /** Milliseconds without a `declare` after which a subscription gets no new events. */
  readonly orphanedAfterMs: number;
  /** Reports to the bus what happened in the background, where nothing can be thrown. */
  report(report: ProviderReport): void;
}

/** What {@link EventProvider.probe} found. */
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

  /** Resolves once an envelope could be published. Nothing is consumed yet. */
  start(context: ProviderContext): Promise<void>;

  /**
   * Accepts envelopes, and routes each to every declared subscription that wants its name, in one
   * atomic step. Resolves with one result per envelope, in order, once they are as safe as
   * `capabilities.durable` says; does not wait for delivery, and does not retry.
   */
  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]>;

  /**
   * Publishes as `publish` does, and answers at once. It accepts the whole batch (a `duplicate` is accepted too),
   * or does nothing and returns undefined: if it would have to wait, if another publish is waiting for the same
   * room, before `start` and after `stop`. The bus then calls `publish`. No delivery begins before it has returned.
   * Only for a provider in memory, where a promise costs more than the publish; others leave it out.
   */
  tryPublish?(batch: readonly Envelope[]): readonly PublishResult[] | undefined;

  /**
   * Begins to deliver the envelopes of a subscription, at most `concurrency` at a time, and settles each as `deliver`
   * says. Consumers of one subscription compete; different subscriptions each get every
   * envelope. Should `deliver` reject, the delivery is unsettled and comes again.
   */
  consume(subscription: ConsumeSpec, deliver: Deliver): Promise<ConsumerHandle>;

  /**
   * Ends every consumer as its `close` would, then closes only what the provider opened itself. One
   * that is not durable first delivers what is due, within `graceMs` milliseconds. Safe to
   * call twice, and before `start`.
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
  /** Deliveries that could begin now. */
  readonly ready: number;
  /** Deliveries whose time has not come, and those that wait behind another of their key. */
  readonly delayed: number;
  /** Deliveries that a process has, unsettled. */
  readonly inFlight: number;
  /** Dead letters that are kept. */
  readonly dead: number;
  /** Milliseconds since the epoch at which the oldest waiting delivery was published. Absent: none, or unknown. */
  readonly oldestAt?: number | undefined;
}

/** A delivery that ended dead. */
export interface DeadDelivery {
  /** Unique in its subscription; an event emitted twice may die twice. */
  readonly id: string;
  /** The envelope that was delivered in vain. */
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
  /** Give it back for the next page. Absent on the last one. */
  readonly cursor?: string | undefined;
}

/**
 * Looks into queues, and deals with dead letters. Subscriptions go by their present ids: what `stats`
 * calls them.
 */
export interface ProviderAdmin {
  /** Numbers of every subscription with a delivery that is pending, in flight or dead. Others may be left out. */
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
  /** The caller's own transaction: only a plugin's staging that stages within transactions gets one. */
  readonly transaction?: unknown;
  /** Identifies the call: only a staging with {@link GroupStaging.known} gets one. The same call again does nothing. */
  readonly token?: string | undefined;
}

/**
 * Keeps grouped events until they are released or cleared. A release marks the group, claims it
 * under a lease, and publishes and deletes its events in one step, so that neither two releases at
 * once nor a crash between them loses or repeats an event.
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
