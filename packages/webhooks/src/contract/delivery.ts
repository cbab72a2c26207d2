import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { ErrorClass } from "./notifier.ts";
import type { Actor, PageOf, PageOptions } from "./subscription.ts";

/**
 * Where a delivery is.
 *
 * - `waiting`: for its first attempt.
 * - `retrying`: for another attempt.
 * - `paused`: waiting or retrying, and its subscription is disabled.
 * - `running`: an attempt is under way.
 * - `delivered`: the destination has it.
 * - `dead`: no attempts are left, or another would be of no use.
 * - `cancelled`: somebody, or the end of its subscription, has called it off.
 */
export type DeliveryState =
  | "waiting"
  | "retrying"
  | "paused"
  | "running"
  | "delivered"
  | "dead"
  | "cancelled";

/** Why an attempt was made. `resolve`: the payload was to be made, before there were deliveries. */
export type AttemptTrigger = "first" | "retry" | "manual" | "replay" | "resolve";

/** One attempt, as the log has it. */
export interface DeliveryAttempt {
  /** Counts all attempts of the log, so that one can go on from it. */
  readonly id: string;
  /** Null for a failed `resolve`. */
  readonly deliveryId: string | null;
  /** The id of the event on the bus. */
  readonly eventId: string;
  /** The name of the event. */
  readonly eventName: string;
  /** Null for a failed `resolve`. */
  readonly subscriptionId: string | null;
  /** The number of the attempt within its delivery, from 1. It goes on counting in a replay. */
  readonly number: number;
  /** Why the attempt was made. */
  readonly trigger: AttemptTrigger;
  /** Whether the destination has accepted it. */
  readonly success: boolean;
  /** The status code, if the protocol has one and there was an answer. */
  readonly status: number | null;
  /** What kind of error it was. Null after a success. */
  readonly errorClass: ErrorClass | null;
  /** What went wrong, in one sentence. */
  readonly error: string | null;
  /** When the attempt began, by the clock of the store. */
  readonly startedAt: Date;
  /** How long the attempt took, in milliseconds. */
  readonly durationMs: number;
  /** When the next attempt is due. Null if there is none. */
  readonly nextAttemptAt: Date | null;
  /** What was sent besides the payload. Secrets say `[redacted]`. */
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** The beginning of what the destination answered. */
  readonly response: string | null;
}

/** A delivery: one event for one subscription. */
export interface WebhookDelivery {
  /** The same over all attempts and replays: sent as `webhook-id`. */
  readonly id: string;
  /** The id of the event on the bus. */
  readonly eventId: string;
  /** The name of the event. */
  readonly eventName: string;
  /** The scope of the event. */
  readonly scope: string | null;
  /** The subscription that it is for. */
  readonly subscriptionId: string;
  /** The version that the event was matched by. */
  readonly subscriptionVersion: number;
  /** Where the subscription has its events sent now. */
  readonly destination: string;
  /** Where the delivery is. */
  readonly state: DeliveryState;
  /** Such as `Delivered after 2 retries`. */
  readonly statusText: string;
  /** How many attempts were made, those of replays included. */
  readonly attempts: number;
  /** When the next attempt is due. Null if there is none. */
  readonly nextAttemptAt: Date | null;
  /** When the delivery was made. */
  readonly createdAt: Date;
  /** Null before the first attempt. */
  readonly firstAttemptAt: Date | null;
  /** Null before the first attempt. */
  readonly lastAttemptAt: Date | null;
  /** The status code of the last answer. */
  readonly lastStatus: number | null;
  /** What kind of error the last attempt had. Null after a success. */
  readonly lastErrorClass: ErrorClass | null;
}

/** A delivery from its first attempt to its latest. */
export interface DeliveryTrace {
  /** The delivery as it is now. */
  readonly delivery: WebhookDelivery;
  /** With the values of `redact` replaced. */
  readonly payload: JsonValue;
  /** The arguments that travelled on the bus. */
  readonly args: JsonValue;
  /** What travelled beside them. */
  readonly metadata: JsonObject;
  /** Its attempts, the first one first. */
  readonly attempts: readonly DeliveryAttempt[];
}

/** What a search asks for. */
export interface LogQuery {
  /** In Lucene's syntax. All by default. */
  readonly query?: string | undefined;
  /** Only what began at this time or later. */
  readonly since?: Date | undefined;
  /** Only what began before this time. */
  readonly until?: Date | undefined;
}

/** How many deliveries a replay concerns, and what has become of them. */
export interface ReplayProgress {
  /** The id of the replay. */
  readonly id: string;
  /** What it was asked for. */
  readonly query: string;
  /** Whether it is going on, or how it ended. */
  readonly state: "running" | "done" | "cancelled" | "failed";
  /** How many deliveries there were when it began. */
  readonly total: number;
  /** How many deliveries have been begun again. */
  readonly done: number;
  /**
   * How many deliveries were not: an attempt of them was running, their subscription is deleted, or their payload is no
   * longer in the store. With `matched`, also those of events that no subscription wants.
   */
  readonly skipped: number;
  /** How many deliveries are begun in a second. Null: no limit. */
  readonly perSecond: number | null;
  /** When it was asked for. */
  readonly createdAt: Date;
  /** Who has asked for it. */
  readonly createdBy: Actor | null;
  /** When it ended. Null while it runs. */
  readonly finishedAt: Date | null;
  /** Why it failed. */
  readonly error: string | null;
}

/** Of which events a replay is. */
export interface ReplayOptions extends LogQuery {
  /**
   * `original`: the deliveries that there were, under the ids that they have. `matched`: the events anew, for the
   * subscriptions that want them now; a subscription that has had the event gets it again under the same id.
   *
   * @default "original"
   */
  readonly to?: "original" | "matched" | undefined;
  /** Deliveries that are begun in a second. As fast as it goes by default. */
  readonly perSecond?: number | undefined;
  /** Who asks for it. */
  readonly by?: Actor | undefined;
}

/** What a replay of one event has begun. */
export interface EventReplay {
  /**
   * How many deliveries were begun. Null if there was no payload yet: the event is on its way to the router again, which
   * makes the payload and the deliveries.
   */
  readonly deliveries: number | null;
}

/**
 * Deliveries again, with new attempts under the same ids. The payload is always that of the store. A retry that waits is
 * superseded: the policy of the subscription begins anew. An attempt that is running is left alone. What is begun for a
 * disabled subscription waits until it is enabled.
 */
export interface Replays {
  /**
   * Begins one delivery again: one that waits, is delivered, dead or cancelled.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND`; `BUSBAR_CONFLICT` while an attempt is running, and where the subscription is
   *   deleted or the payload no longer stored.
   */
  delivery(id: string, options?: { readonly by?: Actor | undefined }): Promise<WebhookDelivery>;
  /**
   * Matches one event anew, and begins a delivery for each subscription that wants it now: also of an event whose payload
   * could not be made.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` for an event that is neither in the store nor a dead letter of the router;
   *   `BUSBAR_CONFLICT` where the payload is no longer stored.
   */
  event(id: string, options?: { readonly by?: Actor | undefined }): Promise<EventReplay>;
  /** How many deliveries match now: those that `start` would begin again, or whose events it would match anew. */
  count(options: ReplayOptions): Promise<number>;
  /**
   * Begins to replay, oldest first, and resolves when that is written down: it goes on in any process. A delivery is begun
   * again if it still matches when it is its turn, once in a replay. Those that are made later do not count.
   */
  start(options: ReplayOptions): Promise<ReplayProgress>;
  /** Begins again what has failed for good since a time, and has not been delivered afterwards. */
  recover(
    since: Date,
    options?: Pick<ReplayOptions, "by" | "perSecond"> & {
      readonly subscriptionId?: string | undefined;
    },
  ): Promise<ReplayProgress>;
  /** How far a replay is. Undefined if there is none of this id. */
  get(id: string): Promise<ReplayProgress | undefined>;
  /** All replays, those of one delivery or event included, newest first. */
  list(page?: PageOptions): Promise<PageOf<ReplayProgress>>;
  /** Ends a replay. Deliveries that it has begun go on. */
  cancel(id: string): Promise<ReplayProgress>;
}

/** The delivery log. */
export interface DeliveryLog {
  /** Deliveries that match, newest first. */
  deliveries(query?: LogQuery, page?: PageOptions): Promise<PageOf<WebhookDelivery>>;
  /** Attempts that match, newest first. */
  attempts(query?: LogQuery, page?: PageOptions): Promise<PageOf<DeliveryAttempt>>;
  /** How many attempts match. */
  count(query?: LogQuery): Promise<number>;
  /** A delivery with its payload and all its attempts. Undefined if there is none of this id. */
  trace(deliveryId: string): Promise<DeliveryTrace | undefined>;
  /** Calls off a delivery that waits. */
  cancel(
    deliveryId: string,
    options?: { readonly by?: Actor | undefined },
  ): Promise<WebhookDelivery>;
  /** All attempts that match, as text, part by part: one line of CSV or of JSON for each. */
  export(query: LogQuery, format: "csv" | "ndjson"): ReadableStream<string>;
  /**
   * Makes the search index anew, a part at a time and in a bounded memory, while searches and deliveries go on. New rows are
   * indexed in the background, so this is only for an index that is damaged.
   *
   * @param options.signal Ends the work after the part that is under way. Call again to index all.
   * @returns How many rows of events and attempts were indexed.
   * @throws The reason of `signal` after its end, and an error after the stop of the bus.
   *
   * @example
   * ```ts
   * await hooks.log.rebuildIndex({ signal: AbortSignal.timeout(600_000) });
   * ```
   */
  rebuildIndex(options?: { readonly signal?: AbortSignal | undefined }): Promise<number>;
}
