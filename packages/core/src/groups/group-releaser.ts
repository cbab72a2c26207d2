import type { Clock, Timer } from "../contract/clock.ts";
import type {
  Envelope,
  GroupClaim,
  GroupStaging,
  KnownGroups,
  PublishResult,
  StagedEvent,
} from "../contract/provider.ts";
import type { Logger } from "../contract/logger.ts";
import { quoted } from "../errors/quoted.ts";
import type { HeldEvents } from "../contract/held-events.ts";
import { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";
import { assertAccepted, type Publisher } from "../emit/publisher.ts";
import type { SendHooks } from "../emit/send-hooks.ts";

/** Milliseconds between two looks for groups whose release was not finished. */
const SWEEP_EVERY_MS = 5_000;
/** Milliseconds that a claim holds beyond the time limit of its publish. */
const LEASE_MARGIN_MS = 20_000;

/** What a {@link GroupReleaser} needs. */
export interface GroupReleaserOptions {
  readonly staging: GroupStaging;
  /** Counts what is published. Absent where the staging publishes by way of the bus. */
  readonly counted: Publisher["counted"] | undefined;
  readonly providerName: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emitTimeoutMs: number;
  /** Whether groups outlive the process, so that others may have left some unfinished. */
  readonly durable: boolean;
  /** Runs the interceptors. */
  readonly intercept: (events: readonly StagedEvent[]) => Promise<readonly StagedEvent[]>;
  readonly hasInterceptors: () => boolean;
  /** What plugins do around each send. */
  readonly hooks: SendHooks | undefined;
}

/** How far a release has come, for the caller that waits for it. */
export interface ReleaseProgress {
  /** Whether the release will be finished: by its call, or later, here or by another process. */
  isMarked: boolean;
  /** The plugin that holds the send of the events. */
  heldBy: string | undefined;
}

/** Releases groups, and finishes releases that were begun and not finished. */
export class GroupReleaser {
  readonly #options: GroupReleaserOptions;
  /** What this process is about to publish, by group. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  #timer: Timer | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: GroupReleaserOptions) {
    this.#options = options;
  }

  /** Begins to look for unfinished releases. */
  start(): void {
    if (this.#options.durable) this.#sweepLater();
  }

  /** Looks for nothing more. Resolves when a release that was found has been dealt with. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#sweeping;
  }

  /** Publishes what is staged in a group. Writes into `progress` how far it has come. */
  async release(
    eventGroupId: string,
    inHandler: boolean,
    progress: ReleaseProgress,
  ): Promise<void> {
    const { staging } = this.#options;
    try {
      const { known } = staging;
      if (known && (await this.#releaseKnown(known, eventGroupId, inHandler, progress))) return;
      await staging.mark(eventGroupId);
      progress.isMarked = true;
      for (;;) {
        const claim = await staging.claim({ eventGroupId, leaseMs: this.#leaseMs });
        if (claim) return await this.#finish(claim, inHandler, progress);
        // What joined after the claim of a release under way has to wait for that one.
        const underWay = this.#underWay.get(eventGroupId);
        if (!underWay) return;
        await underWay.catch(() => {});
      }
    } catch (error) {
      this.#sweepLater();
      throw error;
    }
  }

  /** Interceptors may take long: a release that runs them is marked first. */
  get canReleaseAtOnce(): boolean {
    const { staging, hasInterceptors } = this.#options;
    return staging.known !== undefined && !hasInterceptors();
  }

  /**
   * Publishes what this process knows of a group, and events that are not staged, in one step. Resolves with
   * whether that was done; when it rejects, that is not known.
   */
  async releaseAtOnce(
    held: HeldEvents,
    inHandler: boolean,
    progress: ReleaseProgress,
  ): Promise<boolean> {
    const { known } = this.#options.staging;
    if (!known || !this.canReleaseAtOnce) return false;
    const { eventGroupId, token } = held;
    // What it does not know of, it gets no claim to: then the group is marked and claimed.
    const events = known.take(eventGroupId) ?? [];
    const { now, options } = this.#publishOptions(inHandler);
    const envelopes = [...events, ...held.events].map((event) => releasedEnvelope(event, now));
    const release = () =>
      known.release(eventGroupId, events, envelopes, { ...options, unstaged: token });
    const published = this.#publishKnown(envelopes, release, options.deadline, progress);
    return this.#whileUnderWay(eventGroupId, published);
  }

  get #leaseMs(): number {
    return this.#options.emitTimeoutMs + LEASE_MARGIN_MS;
  }

  /** Releases a group without asking what it holds. False: mark and claim find out what has become of it. */
  async #releaseKnown(
    known: KnownGroups,
    eventGroupId: string,
    inHandler: boolean,
    progress: ReleaseProgress,
  ): Promise<boolean> {
    const { staging, hasInterceptors, intercept } = this.#options;
    const events = known.take(eventGroupId);
    if (!events) return false;
    // They may take long, and a release that has begun is finished.
    if (hasInterceptors()) {
      await staging.mark(eventGroupId);
      progress.isMarked = true;
    }
    const kept = await intercept(events);
    const { now, options } = this.#publishOptions(inHandler);
    const envelopes = kept.map((event) => releasedEnvelope(event, now));
    const release = () => known.release(eventGroupId, events, envelopes, options);
    try {
      const published = this.#publishKnown(envelopes, release, options.deadline, progress);
      return await this.#whileUnderWay(eventGroupId, published);
    } catch (err) {
      this.#options.logger.debug({ err }, "A group could not be released in one step");
      return false;
    }
  }

  async #publishKnown(
    envelopes: readonly Envelope[],
    release: () => Promise<readonly PublishResult[] | undefined>,
    deadline: number,
    progress: ReleaseProgress,
  ): Promise<boolean> {
    let isReleased = false;
    const send = async (): Promise<readonly PublishResult[]> => {
      const results = await release();
      isReleased = results?.every(({ status }) => status !== "rejected") ?? false;
      return results ?? [];
    };
    await this.#send(envelopes, deadline, send, progress);
    return isReleased;
  }

  /** Publishes within what plugins do around it, and counts what is published. */
  #send(
    envelopes: readonly Envelope[],
    deadline: number,
    publish: () => Promise<readonly PublishResult[]>,
    progress: ReleaseProgress | undefined,
  ): Promise<readonly PublishResult[]> {
    const { counted, hooks } = this.#options;
    const send = () => (counted ? counted(envelopes, publish) : publish());
    if (!hooks) return send();
    const onHeld = progress && ((plugin: string | undefined) => (progress.heldBy = plugin));
    return hooks.run({ kind: "release", envelopes, deadline, send, onHeld });
  }

  #finish(claim: GroupClaim, inHandler: boolean, progress?: ReleaseProgress): Promise<void> {
    return this.#whileUnderWay(claim.eventGroupId, this.#publish(claim, inHandler, progress));
  }

  async #whileUnderWay<T>(eventGroupId: string, publish: Promise<T>): Promise<T> {
    this.#underWay.set(eventGroupId, publish);
    try {
      return await publish;
    } finally {
      if (this.#underWay.get(eventGroupId) === publish) this.#underWay.delete(eventGroupId);
    }
  }

  #publishOptions(inHandler: boolean) {
    const { clock, emitTimeoutMs } = this.#options;
    const options = { deadline: clock.monotonic() + emitTimeoutMs, inHandler };
    return { now: clock.now(), options };
  }

  async #publish(
    claim: GroupClaim,
    inHandler: boolean,
    progress: ReleaseProgress | undefined,
  ): Promise<void> {
    const { staging, providerName, hasInterceptors, intercept } = this.#options;
    try {
      const kept = hasInterceptors() ? await intercept(claim.events) : claim.events;
      const { now, options } = this.#publishOptions(inHandler);
      const envelopes = kept.map((event) => releasedEnvelope(event, now));
      const complete = () => staging.complete(claim, envelopes, options);
      const results = await this.#send(envelopes, options.deadline, complete, progress);
      assertAccepted(providerName, envelopes, results);
    } catch (error) {
      await this.#abandon(claim);
      throw error;
    }
  }

  async #abandon(claim: GroupClaim): Promise<void> {
    const { staging, logger } = this.#options;
    try {
      await staging.abandon(claim);
    } catch (err) {
      logger.warn({ err }, "The claim on a group could not be given up; its lease will end");
    }
  }

  #sweepLater(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    const sweep = (): void => void (this.#sweeping = this.#sweep());
    this.#timer = this.#options.clock.setTimeout(sweep, SWEEP_EVERY_MS);
  }

  async #sweep(): Promise<void> {
    const { durable, logger } = this.#options;
    const failed = new Set<string>();
    let again = durable;
    try {
      for (;;) {
        const claim = await this.#nextUnfinished(failed);
        if (!claim) break;
        if (this.#closed) return await this.#abandon(claim);
        try {
          await this.#finish(claim, false);
        } catch (err) {
          const { eventGroupId } = claim;
          failed.add(eventGroupId);
          logger.warn(
            { err, eventGroupId },
            `Group ${quoted(eventGroupId)} is marked for release and could not be released yet`,
          );
        }
      }
    } catch (err) {
      again = true;
      logger.warn({ err }, "Groups that are marked for release could not be looked for");
    }
    if (again || failed.size > 0) this.#sweepLater();
  }

  /** Any group, until one has failed: that one would be in the way of the others. */
  async #nextUnfinished(failed: ReadonlySet<string>): Promise<GroupClaim | undefined> {
    const { staging } = this.#options;
    const leaseMs = this.#leaseMs;
    if (failed.size === 0) return staging.claim({ leaseMs });
    for (const { eventGroupId, marked } of await staging.list()) {
      if (!marked || failed.has(eventGroupId)) continue;
      const claim = await staging.claim({ eventGroupId, leaseMs });
      if (claim) return claim;
    }
    return undefined;
  }
}

function releasedEnvelope({ envelope }: StagedEvent, now: number): Envelope {
  const dueAt = envelope.policy?.dueAt;
  return OutgoingEnvelope.from(envelope, {
    metadata: { ...envelope.metadata, published_at: now },
    ...(dueAt !== undefined && { delayMs: Math.max(0, dueAt - now) }),
  });
}
