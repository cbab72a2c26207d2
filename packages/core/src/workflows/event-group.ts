import type { ServiceContainer } from "../contract/container.ts";
import { Modules } from "../contract/container.ts";
import type { IEventBusModule } from "../contract/event-bus-module.ts";
import { type HeldEvents, NotStaged } from "../contract/held-events.ts";
import { isBusbarError } from "../errors/errors.ts";
import { isInstance } from "../errors/thrown.ts";
import type { BackgroundRetryHandlers } from "./background-retry.ts";
import { tryThenRetry } from "./background-retry.ts";
import type { Reporter } from "./reporter.ts";

/** What became of the events of a run. */
export type ReleaseState = "released" | "pending" | "none";

/**
 * The events that a run, and the runs inside of it, have staged.
 *
 * The bus is looked for only when the group may hold events: a workflow that emits nothing needs
 * none.
 */
export class EventGroup {
  readonly id: string;
  readonly #container: ServiceContainer;
  readonly #reporter: Reporter;
  #mayHoldEvents: boolean;
  #bus: IEventBusModule | undefined;
  /** Steps whose events must not be released, and are not known to be cleared. */
  readonly #discarded = new Set<string>();
  #ending: "released" | "cleared" | undefined;
  #decision: Promise<unknown> | undefined;

  constructor(options: {
    readonly id: string;
    readonly container: ServiceContainer;
    readonly reporter: Reporter;
    /** Whether somebody else may have staged events before. */
    readonly mayHoldEvents: boolean;
  }) {
    this.id = options.id;
    this.#container = options.container;
    this.#reporter = options.reporter;
    this.#mayHoldEvents = options.mayHoldEvents;
  }

  /** The id, for a step: whoever reads it may stage events under it. */
  idForStep(): string {
    this.#mayHoldEvents = true;
    return this.id;
  }

  /** Remembers the bus on which events were staged. */
  stagedOn(bus: IEventBusModule): void {
    this.#mayHoldEvents = true;
    this.#bus = bus;
  }

  /** How the run that owns the group has ended, if it has. */
  get ending(): "released" | "cleared" | undefined {
    return this.#ending;
  }

  /** Resolves once it is certain how the run that owns the group ends, should that be in question now. */
  get decision(): Promise<unknown> | undefined {
    return this.#decision;
  }

  /**
   * Releases the group now, and with it what is held. Resolves with whether there was anything to release it
   * on.
   */
  release(held?: HeldEvents): Promise<boolean> {
    return this.#onBus(async (bus) => {
      if (this.#discarded.size > 0) {
        // When the clearing fails, this is tried again later: what is held must be safe by then.
        await held?.holding.secure(held);
        await this.#clearDiscarded(bus);
      }
      await (held ? held.holding.release(held) : bus.releaseGroupedEvents(this.id));
    });
  }

  /**
   * Releases the group of a run that succeeded: now, or else in the background.
   *
   * @throws NotStaged when what is held could not be staged. Nothing was released, and the run has failed.
   */
  releaseAtEnd(
    onFailed: (error: unknown, tries: number, willRetry: boolean) => void,
    held?: HeldEvents,
  ): Promise<ReleaseState> {
    if (!held) this.#ending = "released";
    const release = this.#releaseOrRetry(onFailed, held);
    if (held) this.#decision = release.catch(() => {});
    return release;
  }

  async #releaseOrRetry(
    onFailed: (error: unknown, tries: number, willRetry: boolean) => void,
    held: HeldEvents | undefined,
  ): Promise<ReleaseState> {
    let hadBus = false;
    let refusal: NotStaged | undefined;
    const succeeded = await tryThenRetry(
      async () => {
        try {
          hadBus = await this.release(held);
        } catch (error) {
          if (!isInstance(error, NotStaged)) throw error;
          refusal = error;
        }
      },
      {
        // Until they are staged, this process alone has them.
        mustGoOn: (error) =>
          held !== undefined && !held.isStaged && !isBusbarError(error, "BUSBAR_NOT_RUNNING"),
        onFailed: (error, tries, willRetry) => {
          this.#reportFailure("released", error, tries, willRetry);
          onFailed(error, tries, willRetry);
        },
        onSucceeded: this.#reportSuccess("released"),
      },
    );
    if (refusal) throw refusal;
    this.#ending = "released";
    if (!succeeded) return "pending";
    return hadBus ? "released" : "none";
  }

  /**
   * Clears the group of a run that failed. When that fails only the events of its own steps are
   * cleared later, as a new run may have been given the same group by then.
   */
  async clearAtEnd(stepIds: ReadonlySet<string>): Promise<void> {
    this.#ending = "cleared";
    try {
      await this.#onBus((bus) => bus.clearGroupedEvents(this.id));
      this.#discarded.clear();
    } catch (error) {
      this.#reportFailure("cleared", error, 1, true);
      await this.discard(stepIds);
    }
  }

  /** Clears the events of a failed attempt, of which the next must not begin before. */
  async clear(stepIds: Iterable<string>): Promise<void> {
    await this.#onBus((bus) => bus.clearGroupedEvents(this.id, { stepIds: [...stepIds] }));
  }

  /**
   * Clears the events of steps that have failed or were undone, and will not run again. Never
   * rejects: what cannot be cleared now is cleared later, and at the latest before the group is
   * released.
   */
  async discard(stepIds: Iterable<string>): Promise<void> {
    for (const stepId of stepIds) this.#discarded.add(stepId);
    await tryThenRetry(() => this.#onBus((bus) => this.#clearDiscarded(bus)), {
      onFailed: (error, tries, willRetry) =>
        this.#reportFailure("cleared", error, tries, willRetry),
      onSucceeded: this.#reportSuccess("cleared"),
    });
  }

  async #clearDiscarded(bus: IEventBusModule): Promise<void> {
    const stepIds = [...this.#discarded];
    if (stepIds.length === 0) return;
    await bus.clearGroupedEvents(this.id, { stepIds });
    for (const stepId of stepIds) this.#discarded.delete(stepId);
  }

  /** Resolves with false, having done nothing, when no events can have been staged. */
  async #onBus(action: (bus: IEventBusModule) => Promise<void>): Promise<boolean> {
    const bus = this.#findBus();
    if (!bus) return false;
    try {
      await action(bus);
    } catch (error) {
      // A bus without groups has refused to stage, too.
      if (isBusbarError(error, "BUSBAR_UNSUPPORTED")) return false;
      throw error;
    }
    return true;
  }

  #findBus(): IEventBusModule | undefined {
    if (!this.#mayHoldEvents) return undefined;
    try {
      this.#bus ??= this.#container.resolve(Modules.EVENT_BUS);
    } catch {
      // Without a bus nothing can have been staged.
    }
    return this.#bus;
  }

  #reportFailure(verb: string, err: unknown, tries: number, willRetry: boolean): void {
    const fields = { err, tries };
    if (willRetry) {
      this.#reporter.warn(`Events of a workflow could not be ${verb}; trying again`, fields);
    } else {
      this.#reporter.error(`Events of a workflow could not be ${verb}; giving up`, fields);
    }
  }

  #reportSuccess(verb: string): BackgroundRetryHandlers["onSucceeded"] {
    return (tries) => {
      if (tries > 1) this.#reporter.info(`Events of a workflow were ${verb} at last`, { tries });
    };
  }
}
