import type { ClearGroupOptions } from "./event-bus-module.ts";
import type { Envelope, PublishOptions, PublishResult } from "./provider.ts";

/** An event that waits in a group. */
export interface StagedEvent {
  /** `published_at` is set at release, from which `delayMs` counts. */
  readonly envelope: Envelope;
}

/** A group in numbers, for `inspect()`. */
export interface StagedGroup {
  readonly eventGroupId: string;
  readonly events: number;
  /** When its first event was staged, in milliseconds since the epoch, by the clock of the staging's server. */
  readonly stagedAt: number;
  /** Release was asked for, and is not finished. */
  readonly marked: boolean;
}

/** The right to publish a group's events, for a while. */
export interface GroupClaim {
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
  list(): Promise<readonly StagedGroup[]>;
  /** A shorter way to release a group, if there is one. */
  readonly known?: KnownGroups | undefined;
}
