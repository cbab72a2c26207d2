// What the server of the dashboard sends and takes, as JSON. The page imports these types, and nothing else of the
// server. Times are ISO 8601 texts.
import type { JsonObject, JsonValue } from "@busbar/core/provider";

/** A time, such as `2026-11-30T23:00:00.000Z`. */
export type Timestamp = string;

/** `GET api/session`: who looks at the page. */
export interface SessionView {
  /** The person who is signed in. Null: nobody is, and every other request is answered with 401. */
  readonly caller: CallerView | null;
  /** How to sign in: `token` by `POST api/session`, `application` in the way of the application. */
  readonly signIn: "token" | "application";
  /** What the page can show. */
  readonly features: Features;
  /** The name of the bus. Absent while nobody is signed in. */
  readonly bus?: string | undefined;
}

/** The person who is signed in. */
export interface CallerView {
  readonly name: string;
  /** Whether the person may look only. */
  readonly readOnly: boolean;
}

/** The parts that the page has, beyond those of every bus. */
export interface Features {
  readonly outbox: boolean;
  readonly webhooks: boolean;
  readonly runs: boolean;
}

/** `POST api/session`. */
export interface SignIn {
  readonly token: string;
}

/** `GET api/overview`, and the event `overview` of `api/live`. */
export interface Overview {
  /** The time of the server of the dashboard. */
  readonly at: Timestamp;
  readonly bus: string;
  readonly provider: string;
  readonly health: HealthView;
  /** The guarantees that this provider gives, in words. */
  readonly guarantees: readonly Guarantee[];
  /** Of all subscriptions, in all processes. */
  readonly totals: Totals;
  /** Of all processes, per second. */
  readonly rates: Rates;
  readonly subscriptions: readonly SubscriptionView[];
  readonly instances: readonly InstanceView[];
  /**
   * Milliseconds by which `ready`, `delayed` and `inFlight` may lag behind. 0: they are exact. Otherwise show their
   * sum.
   */
  readonly statsLagMs: number;
}

/** What `api/live` sends as the event `history`, once, before the first `overview`: the last 15 minutes. */
export interface History {
  readonly samples: readonly Sample[];
}

/** One moment of the charts. */
export interface Sample {
  readonly at: Timestamp;
  readonly rates: Rates;
  readonly totals: Totals;
}

/** `GET api/subscriptions/:id/history`: the last 15 minutes of one subscription. */
export interface SubscriptionHistory {
  readonly samples: readonly SubscriptionSample[];
}

/** One moment of the charts of a subscription. */
export interface SubscriptionSample {
  readonly at: Timestamp;
  /** `ready`, `delayed` and `inFlight` together. */
  readonly backlog: number;
  /** When the oldest waiting delivery was published. Null: nothing waits, or the provider does not know. */
  readonly oldestAt: Timestamp | null;
  /** How long runs of the last 5 minutes took, in milliseconds. Null: there was none. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** Events and deliveries per second. */
export interface Rates {
  readonly emitted: number;
  readonly delivered: number;
  readonly failed: number;
  readonly dead: number;
}

/** Sums over all subscriptions. */
export interface Totals {
  /** `ready`, `delayed` and `inFlight` together. */
  readonly backlog: number;
  readonly ready: number;
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
  /** When the oldest waiting delivery was published. Null: nothing waits, or the provider does not know. */
  readonly oldestAt: Timestamp | null;
}

/** Whether the bus works, as the process of the dashboard sees it. */
export interface HealthView {
  readonly status: "up" | "degraded" | "down";
  readonly since: Timestamp;
  readonly detail: string | null;
}

/** One guarantee, in words. */
export interface Guarantee {
  /** Such as `order`: stays the same when the words change. */
  readonly id: string;
  /** Such as `Order within a key`. */
  readonly title: string;
  readonly holds: boolean;
  /** One or two sentences: what that means for events. */
  readonly detail: string;
}

/** A process that has a bus of this name. */
export interface InstanceView {
  readonly instanceId: string;
  readonly host: string;
  readonly pid: number;
  readonly role: string;
  readonly status: "up" | "degraded" | "down";
  readonly consuming: boolean;
  readonly startedAt: Timestamp;
  readonly seenAt: Timestamp;
  /** Whether this is the process that serves the dashboard. */
  readonly here: boolean;
  /** `node`, `@busbar/core` and others. */
  readonly versions: Readonly<Record<string, string>>;
  /** Since the start of the process. */
  readonly counters: Readonly<Record<string, number>>;
  /** The ids of the subscriptions that the process has handlers for. */
  readonly subscriptions: readonly string[];
}

/** A subscription. */
export interface SubscriptionView {
  readonly subscriberId: string;
  readonly events: readonly string[];
  /** Whether the process of the dashboard has handlers for it. */
  readonly here: boolean;
  /** How many processes have handlers for it. */
  readonly instances: number;
  /** Whether `pause` has stopped it in the process of the dashboard. */
  readonly paused: boolean;
  /** Whether it is paused in every process. */
  readonly pausedEverywhere: boolean;
  /** No process has declared it for long: it gets no new events. */
  readonly orphaned: boolean;
  /** Events that it did not get because it was orphaned. */
  readonly withheld: number;
  readonly ready: number;
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
  readonly oldestAt: Timestamp | null;
  /** How deliveries run, in each process that has handlers for it. Empty: no process has. */
  readonly policies: readonly PolicyView[];
  /** What the processes with a recorder have measured. Null: none has. */
  readonly runs: RunsView | null;
}

/** How deliveries of a subscription run. */
export interface PolicyView {
  readonly attempts?: number | undefined;
  readonly backoff?: JsonValue | undefined;
  readonly timeoutMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly ordering?: string | undefined;
  /** How many runs may start within a time, over all processes. */
  readonly rate?: { readonly max: number; readonly perMs: number } | undefined;
  /** How many events a batch has, and how long the first event waits for others. */
  readonly batch?:
    | { readonly maxEvents: number; readonly maxWaitMs?: number | undefined }
    | undefined;
}

/** Runs of a subscription in all processes that record them. */
export interface RunsView {
  /** Since the processes have started. */
  readonly delivered: number;
  readonly failed: number;
  readonly dead: number;
  /** Of the last 5 minutes, per second. */
  readonly perSecond: { readonly delivered: number; readonly failed: number };
  /** How long runs of the last 5 minutes took, in milliseconds. Null: there was none. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** `GET api/instances`. */
export interface InstanceList {
  readonly instances: readonly InstanceView[];
}

/** `GET api/events`. */
export interface EventList {
  readonly events: readonly EventView[];
}

/** An event that is in the catalogue, or that a subscription names. */
export interface EventView {
  readonly name: string;
  /** Whether the event is in the catalogue of the process of the dashboard. */
  readonly declared: boolean;
  readonly description: string | null;
  /** JSON Schema, if the library of the schema can make one. */
  readonly schema: JsonObject | null;
  readonly examples: readonly JsonValue[];
  /** Ids of the subscriptions that get the event. */
  readonly subscribers: readonly string[];
}

/** `GET api/events/:name/explain`: which subscriptions get an event of a name, and why. */
export interface ExplainView {
  readonly name: string;
  readonly declared: boolean;
  readonly subscriptions: readonly ExplainedSubscription[];
  /** Subscriptions whose patterns nearly match, with the pattern. */
  readonly nearMisses: readonly NearMiss[];
}

/** A subscription that gets events of a name. */
export interface ExplainedSubscription {
  readonly subscriberId: string;
  /** The names and patterns of the subscription that match. */
  readonly matchedBy: readonly string[];
  readonly here: boolean;
  readonly orphaned: boolean;
  readonly paused: boolean;
  readonly policy: PolicyView | null;
  /** The name that the broker has for the queue. */
  readonly queue: string | null;
  readonly instances: number;
}

/** A subscription that does not get events of a name, and would if its pattern were slightly different. */
export interface NearMiss {
  readonly subscriberId: string;
  readonly pattern: string;
}

/** `POST api/events/:name/emit`. */
export interface EmitRequest {
  readonly data: JsonValue;
  readonly metadata?: JsonObject | undefined;
  /** Milliseconds before the event is delivered. */
  readonly delayMs?: number | undefined;
  /** The ids of the only subscriptions that get the event. By default all subscriptions of the event get it. */
  readonly to?: readonly string[] | undefined;
}

/** Answer of `POST api/events/:name/emit`. */
export interface EmitResult {
  readonly eventId: string;
}

/** Filters of `GET api/tail`, as parameters of the query. Each event of the stream is a {@link TailView}. */
export interface TailFilter {
  /** The name of an event, or a pattern such as `order.*`. */
  readonly name?: string | undefined;
  /** The id of a subscription. */
  readonly subscriber?: string | undefined;
  /** `emitted`, `delivered` and others, separated by commas. */
  readonly type?: string | undefined;
  /** Text that must be in the id, the name, the metadata or the data. */
  readonly text?: string | undefined;
}

/** The kinds of entries of the tail. */
export type TailType = "emitted" | "unrouted" | "delivered" | "failed" | "dead" | "released";

/** An event of the stream `api/tail`: the SSE event is named `entry` or `dropped`. */
export type TailView = TailEntryView | TailDropped;

/** Something that has happened to an event. */
export interface TailEntryView {
  readonly type: TailType;
  readonly at: Timestamp;
  readonly instanceId: string;
  readonly event: { readonly id: string; readonly name: string; readonly metadata: JsonObject };
  readonly data?: JsonValue | undefined;
  /** `data` is the beginning of the JSON of larger data, as text. */
  readonly dataCut?: true | undefined;
  readonly subscriberId?: string | undefined;
  readonly attempt?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly error?: { readonly name: string; readonly message: string } | undefined;
  readonly reason?: string | undefined;
  readonly delayMs?: number | undefined;
}

/** Entries that are missing, because there were more than the feed or the connection takes. */
export interface TailDropped {
  readonly type: "dropped";
  readonly count: number;
}

/** `GET api/subscriptions`. */
export interface SubscriptionList {
  /** The time of the server of the dashboard. */
  readonly at: Timestamp;
  readonly subscriptions: readonly SubscriptionView[];
  readonly statsLagMs: number;
}

/** `POST api/subscriptions/:id/pause` and `…/resume`. */
export interface PauseRequest {
  /**
   * In every process, or in the process of the dashboard only.
   *
   * @default true
   */
  readonly everywhere?: boolean | undefined;
}

/** `POST api/subscriptions/:id/drain`. */
export interface DrainRequest {
  /** @default "dead-letter" */
  readonly backlog?: "dead-letter" | "discard" | undefined;
}

/** `POST api/subscriptions/:id/retire`. */
export interface RetireRequest {
  /** The events to take from the subscription. All of it by default. */
  readonly events?: readonly string[] | undefined;
  /** @default "dead-letter" */
  readonly backlog?: "keep" | "dead-letter" | "discard" | undefined;
}

/** Answer of an action: how many deliveries, dead letters or rows it has changed. */
export interface ActionResult {
  readonly count: number;
}

/** `POST api/cancel`: cancels the pending deliveries of an event. The answer is an {@link ActionResult}. */
export interface CancelRequest {
  readonly eventId: string;
  /** The delivery to this subscription only. By default every delivery of the event, also before it is published. */
  readonly subscriberId?: string | undefined;
}

/** `GET api/subscriptions/:id/waiting?eventId=&cursor=`. */
export interface WaitingPage {
  readonly items: readonly WaitingView[];
  /** For the next page. Null on the last. */
  readonly cursor: string | null;
}

/** A delivery that has not begun. */
export interface WaitingView {
  readonly event: EventContent;
  readonly state: "ready" | "delayed" | "blocked";
  readonly dueAt: Timestamp | null;
}

/** An event as its handlers see it. */
export interface EventContent {
  readonly id: string;
  readonly name: string;
  readonly data: JsonValue;
  readonly metadata: JsonObject;
}

/** Which dead letters: parameters of the query of `GET api/dead`, and `where` of the bulk actions. */
export interface DeadFilter {
  readonly subscriberId?: string | undefined;
  /** The name of an event, or a pattern such as `order.*`. */
  readonly eventName?: string | undefined;
  readonly reason?: string | undefined;
  /** Text in the name or the message of an error. */
  readonly error?: string | undefined;
  /** Text in the id, the data or the metadata of the event. */
  readonly text?: string | undefined;
  readonly diedAfter?: Timestamp | undefined;
  readonly diedBefore?: Timestamp | undefined;
}

/** `GET api/dead`: as many as were found within 300 ms. */
export interface DeadPage {
  readonly items: readonly DeadSummary[];
  /** How many dead letters this request has looked at. */
  readonly looked: number;
  /** Go on from here. Null: there are no more. */
  readonly cursor: string | null;
  /** How many dead letters there are of the subscription, or of all, without the filter. */
  readonly total: number;
}

/** `GET api/dead/count`, with the parameters of {@link DeadFilter}: as many as were found within 300 ms. */
export interface DeadCount {
  /** How many dead letters of this request match the filter. */
  readonly count: number;
  /** How many dead letters this request has looked at. */
  readonly looked: number;
  /** Go on from here. Null: there are no more. */
  readonly cursor: string | null;
  /** How many dead letters there are of the subscription, or of all, without the filter. */
  readonly total: number;
}

/** A dead letter in a list. */
export interface DeadSummary {
  readonly id: string;
  readonly subscriberId: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly reason: string;
  readonly attempts: number;
  readonly diedAt: Timestamp;
  /** The last error. */
  readonly error: { readonly name: string; readonly message: string } | null;
}

/** `GET api/dead/:subscriberId/:id`. */
export interface DeadView {
  readonly id: string;
  readonly subscriberId: string;
  readonly event: EventContent;
  readonly reason: string;
  readonly attempts: number;
  readonly diedAt: Timestamp;
  readonly errors: readonly DeadErrorView[];
  /** JSON Schema of the data, if the catalogue has one. */
  readonly schema: JsonObject | null;
}

/** A failed run of a dead delivery. */
export interface DeadErrorView {
  readonly at: Timestamp;
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly code?: string | undefined;
  readonly cause?: string | undefined;
}

/**
 * `POST api/dead/replay` and `POST api/dead/discard`: either some dead letters of one subscription, at once, or all that
 * a filter finds, as a job.
 */
export type DeadAction =
  | { readonly subscriberId: string; readonly ids: readonly string[] }
  | { readonly where: DeadFilter };

/** `POST api/dead/:subscriberId/:id/replay`. Without `data`, the dead letter is replayed as it is. */
export interface ReplayRequest {
  readonly data?: JsonValue | undefined;
}

/** Work that takes longer than a request: `GET api/jobs/:id`. `DELETE` cancels it. Ends with the process. */
export interface JobView {
  readonly id: string;
  /** Such as `replay dead letters`. */
  readonly what: string;
  readonly startedBy: string;
  readonly startedAt: Timestamp;
  readonly endedAt: Timestamp | null;
  readonly state: "running" | "done" | "cancelled" | "failed";
  /** Dead letters that were looked at so far. */
  readonly looked: number;
  /** Dead letters that the filter has found so far. */
  readonly matched: number;
  /** Dead letters that were replayed or discarded so far. */
  readonly done: number;
  /** How many there were when the job began. Null until that is known. */
  readonly total: number | null;
  readonly error: string | null;
}

/** `GET api/jobs`. */
export interface JobList {
  readonly jobs: readonly JobView[];
}

/** `GET api/outbox`. */
export interface OutboxView {
  readonly pending: number;
  readonly delayed: number;
  readonly staged: number;
  readonly failed: number;
  readonly oldestAt: Timestamp | null;
  readonly relay: {
    readonly state: string;
    /** Events per second. */
    readonly rate: number;
    readonly unsettled: number;
    readonly lastError: string | null;
  };
  /** The oldest 100 rows that were set aside. */
  readonly rows: readonly OutboxRow[];
}

/** An event that the provider refused for good. */
export interface OutboxRow {
  readonly id: string;
  readonly eventId: string;
  readonly name: string;
  readonly data: JsonValue | null;
  readonly error: string;
  readonly attempts: number;
  readonly createdAt: Timestamp;
}

/** `POST api/outbox/retry` and `…/discard`: these rows, or all. */
export interface OutboxAction {
  readonly ids?: readonly string[] | undefined;
}

/** `GET api/groups`. */
export interface GroupList {
  readonly groups: readonly GroupView[];
}

/** A group that is neither released nor cleared. */
export interface GroupView {
  readonly eventGroupId: string;
  readonly events: number;
  readonly stagedAt: Timestamp;
  /** Release was asked for, and is not finished. */
  readonly marked: boolean;
}

/** `GET api/schedules`, ordered by id. 409: the provider does not keep schedules. */
export interface ScheduleList {
  readonly schedules: readonly ScheduleView[];
}

/** A recurring emit of the bus. */
export interface ScheduleView {
  readonly id: string;
  /** When the schedule is due: by a cron expression in a time zone, or at an interval in milliseconds. */
  readonly times:
    | { readonly cron: string; readonly timeZone: string }
    | { readonly everyMs: number };
  readonly startAt: Timestamp | null;
  readonly endAt: Timestamp | null;
  /** The name of the event that the schedule emits. */
  readonly event: string;
  readonly data: JsonValue;
  /** The options of each emit. */
  readonly options: JsonObject;
  /** What the schedule does about missed due times. */
  readonly misfire: "once" | "all" | "skip";
  readonly paused: boolean;
  /** In the past while the emit of a due time fails. Null: the schedule is paused, or has ended. */
  readonly nextDueAt: Timestamp | null;
  readonly lastDueAt: Timestamp | null;
  readonly lastFiredAt: Timestamp | null;
  /** The number of events that the schedule has emitted. */
  readonly emitted: number;
  /** Why the last emit failed. Null after an emit that succeeded. */
  readonly lastError: ScheduleErrorView | null;
}

/** Why a due time has not led to an event yet. */
export interface ScheduleErrorView {
  readonly message: string;
  readonly code: string | null;
  readonly at: Timestamp;
  /** The number of emits that failed one after the other. */
  readonly attempts: number;
  readonly retryAt: Timestamp;
}

/** `GET api/audit`: the last actions in this process, the newest first. */
export interface AuditList {
  readonly entries: readonly AuditView[];
}

/** An action by a person. */
export interface AuditView {
  readonly at: Timestamp;
  readonly caller: string;
  /** Such as `subscription.pause`. */
  readonly action: string;
  /** What it was done to, such as the id of a subscription. */
  readonly target: string;
  readonly result: "done" | "failed";
  /** Numbers and options of the action. Never a payload. */
  readonly details: JsonObject;
}

/** `GET api/runs`: runs of workflows that the run store knows. */
export interface RunList {
  readonly runs: readonly JsonObject[];
}

/** The body of every answer with a status from 400: `application/problem+json` of RFC 9457. */
export interface ProblemView {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly errors?: readonly ProblemFault[] | undefined;
}

/** One place of a request that is wrong. */
export interface ProblemFault {
  /** A JSON pointer into the body, as a fragment: `#/data/orderId`. */
  readonly pointer?: string | undefined;
  /** The name of a parameter. */
  readonly parameter?: string | undefined;
  readonly detail: string;
}
