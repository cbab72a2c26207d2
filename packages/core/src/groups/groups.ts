import type { ClearGroupOptions } from "../contract/event-bus-module.ts";
import type {
  EventProvider,
  GroupStaging,
  StagedEvent,
  StagedGroup,
} from "../contract/provider.ts";
import type { Logger } from "../contract/logger.ts";
import { BusbarError, isBusbarError } from "../errors/errors.ts";
import { MemoryGroupStaging } from "./memory-group-staging.ts";
import { quoted } from "../errors/quoted.ts";
import type { BusCounters } from "../observe/counters.ts";
import type { EmitTimeLimit } from "../emit/emit-time-limit.ts";
import { GroupReleaser, type ReleaseProgress } from "./group-releaser.ts";
import { type HeldEvents, type Holding, NotStaged } from "../contract/held-events.ts";
import { currentRun } from "../causality/causality.ts";
import type { Publisher } from "../emit/publisher.ts";
import type { Clock } from "../contract/clock.ts";
import type { SendHooks } from "../emit/send-hooks.ts";
import { unsupported } from "../emit/support.ts";
import type { EventMessage } from "../contract/event.ts";
import type { Emitter } from "../emit/emitter.ts";

/** What {@link Groups} need. */
export interface GroupsOptions {
  readonly provider: EventProvider;
  readonly settings: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly emitTimeoutMs: number;
  };
  readonly counters: BusCounters;
  readonly publisher: Publisher;
  readonly timeLimit: EmitTimeLimit;
  /** A plugin's own staging, which goes before the provider's. */
  readonly staging: GroupStaging | undefined;
  /** Runs the interceptors on events that are released. */
  readonly intercept: (events: readonly StagedEvent[]) => Promise<readonly StagedEvent[]>;
  readonly hasInterceptors: () => boolean;
  /** What plugins do around each send. */
  readonly hooks: SendHooks | undefined;
}

/** The event groups of a bus, wherever they are staged. */
export class Groups {
  /** Absent where groups cannot be staged: on a durable provider without a part for them. */
  readonly staging: GroupStaging | undefined;
  readonly #providerName: string;
  readonly #releaser: GroupReleaser | undefined;
  readonly #timeLimit: EmitTimeLimit;
  /** Set where groups are staged in the memory of this process. */
  readonly #inMemory: MemoryGroupStaging | undefined;
  readonly #giveUp: GiveUp;
  readonly #logger: Logger;
  /** Whether groups outlive the process. */
  readonly #isDurable: boolean;

  constructor(options: GroupsOptions) {
    const { provider, settings, intercept, hasInterceptors } = options;
    const { durable } = provider.capabilities;
    const given = options.staging ?? provider.groups;
    this.#providerName = provider.name;
    this.#timeLimit = options.timeLimit;
    this.#logger = settings.logger;
    this.#isDurable = given !== undefined;
    this.#giveUp = giveUp(options);
    if (!given && !durable) this.#inMemory = stagingInMemory(options, this.#giveUp);
    this.staging = given ?? this.#inMemory;
    this.#releaser =
      this.staging &&
      new GroupReleaser({
        staging: this.staging,
        counted:
          this.staging === provider.groups
            ? (envelopes, send) => options.publisher.counted(envelopes, send)
            : undefined,
        clock: settings.clock,
        logger: settings.logger,
        emitTimeoutMs: settings.emitTimeoutMs,
        providerName: provider.name,
        durable: given !== undefined,
        intercept,
        hasInterceptors,
        hooks: options.hooks,
      });
  }

  start(): void {
    this.#releaser?.start();
  }

  /** Looks for unfinished releases no more. Resolves when one that was found has been dealt with. */
  async close(): Promise<void> {
    await this.#releaser?.close();
  }

  /** Gives up what is staged in the memory of a process that stops. */
  async discard(): Promise<void> {
    for (const { eventGroupId, events } of (await this.#inMemory?.list()) ?? []) {
      this.#giveUp(eventGroupId, events, "were given up with their group: the bus has stopped");
    }
    this.#inMemory?.close();
  }

  /** Resolves once the events are published, or are sure to be. */
  async release(eventGroupId: string, inHandler: boolean): Promise<void> {
    if (!this.#releaser) throw this.#unsupported();
    const progress: ReleaseProgress = { isMarked: false, heldBy: undefined };
    const release = this.#releaser.release(eventGroupId, inHandler, progress);
    try {
      await this.#withinTime(release, eventGroupId, progress);
    } catch (err) {
      const { isMarked } = progress;
      // Where the mark outlives the process, the release will be finished: here, or by another process.
      if (!isMarked || !this.#isDurable || !isPassing(err)) throw withMark(err, isMarked);
      this.#logger.warn(
        { err, eventGroupId },
        `Group ${quoted(eventGroupId)} is marked for release and could not be released yet`,
      );
    }
  }

  /** Whether {@link releaseAtOnce} may succeed. */
  get canReleaseAtOnce(): boolean {
    return this.#releaser?.canReleaseAtOnce ?? false;
  }

  /**
   * Publishes what a group has, and events that are not staged, in one step. Resolves with whether that was
   * done. If it is not certain, `held` says so.
   */
  async releaseAtOnce(held: HeldEvents, inHandler: boolean): Promise<boolean> {
    const progress: ReleaseProgress = { isMarked: false, heldBy: undefined };
    const release = this.#releaser?.releaseAtOnce(held, inHandler, progress);
    if (!release) return false;
    try {
      return await this.#withinTime(release, held.eventGroupId, progress);
    } catch (err) {
      held.mayBeReleased = true;
      this.#logger.debug({ err }, "Whether a group was released in one step is not known");
      return false;
    }
  }

  #withinTime<T>(release: Promise<T>, eventGroupId: string, progress: ReleaseProgress): Promise<T> {
    return this.#timeLimit.within(release, this.#timeLimit.deadline(), () => ({
      who:
        progress.heldBy === undefined
          ? `The release of group ${quoted(eventGroupId)}`
          : `Plugin "${progress.heldBy}"`,
    }));
  }

  async clear(eventGroupId: string, options: ClearGroupOptions): Promise<void> {
    if (!this.staging) throw this.#unsupported();
    await this.staging.clear(eventGroupId, options);
  }

  /** Deletes an event from the groups in the memory of this process. Resolves with how many events that were. */
  async cancel(eventId: string): Promise<number> {
    return (await this.#inMemory?.cancel(eventId)) ?? 0;
  }

  async list(): Promise<readonly StagedGroup[]> {
    return (await this.staging?.list()) ?? [];
  }

  #unsupported(): Error {
    return unsupported(this.#providerName, "eventGroupId", "groups");
  }
}

/** Whether another try may well succeed where this one has failed. */
function isPassing(error: unknown): boolean {
  if (isBusbarError(error, "BUSBAR_UNAVAILABLE")) return error.details.retryable !== false;
  return isBusbarError(error, "BUSBAR_EMIT_TIMEOUT") || isBusbarError(error, "BUSBAR_OVERLOADED");
}

/** Returns the error of a release with a detail: whether the group is marked. */
function withMark(error: unknown, marked: boolean): unknown {
  if (
    isBusbarError(error, "BUSBAR_UNAVAILABLE") ||
    isBusbarError(error, "BUSBAR_EMIT_TIMEOUT") ||
    isBusbarError(error, "BUSBAR_OVERLOADED")
  ) {
    const { code, message, details, cause } = error;
    return new BusbarError(code, message, { ...details, marked }, { cause });
  }
  return error;
}

/** Counts and logs staged events that nobody will publish. */
type GiveUp = (eventGroupId: string, count: number, why: string) => void;

function giveUp({ settings, counters }: GroupsOptions): GiveUp {
  return (eventGroupId, count, why) => {
    counters.discarded += count;
    settings.logger.warn({ eventGroupId, count }, `${count} staged events ${why}`);
  };
}

function stagingInMemory(
  { settings, publisher }: GroupsOptions,
  onGivenUp: GiveUp,
): MemoryGroupStaging {
  return new MemoryGroupStaging({
    clock: settings.clock,
    publish: async (envelopes, { inHandler, deadline }) =>
      publisher.tryPublish(envelopes, currentRun()) ??
      publisher.publish(envelopes, inHandler, deadline),
    onExpired: (eventGroupId, count) => onGivenUp(eventGroupId, count, "expired with their group"),
  });
}

/** Holds events of workflows for a bus. */
export class EventHolder implements Holding {
  readonly #groups: Groups;
  readonly #emitter: Emitter;
  /** Passes, or says what to wait for, before a release. */
  readonly #ready: () => Promise<void> | undefined;

  constructor(groups: Groups, emitter: Emitter, ready: () => Promise<void> | undefined) {
    this.#groups = groups;
    this.#emitter = emitter;
    this.#ready = ready;
  }

  get isPossible(): boolean {
    return this.#groups.canReleaseAtOnce;
  }

  prepare(messages: readonly EventMessage[]): Promise<readonly StagedEvent[]> {
    return this.#emitter.prepareStaged(messages);
  }

  async stage(held: HeldEvents): Promise<void> {
    await this.#emitter.stageHeld(held);
    held.isStaged = true;
  }

  async secure(held: HeldEvents): Promise<void> {
    if (held.isStaged) return;
    try {
      await this.stage(held);
    } catch (error) {
      // They may be published: to undo the workflow now would undo what others have heard of.
      throw held.mayBeReleased ? error : new NotStaged(error);
    }
  }

  async release(held: HeldEvents): Promise<void> {
    const declared = this.#ready();
    if (declared) await declared;
    const { isInHandler } = this.#emitter;
    const isUntouched = !held.isStaged && !held.mayBeReleased;
    if (isUntouched && (await this.#groups.releaseAtOnce(held, isInHandler))) return;
    await this.secure(held);
    await this.#groups.release(held.eventGroupId, isInHandler);
  }
}
