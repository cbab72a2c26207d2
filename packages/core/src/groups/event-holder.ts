import type { EventMessage } from "../contract/event.ts";
import type { StagedEvent } from "../contract/provider.ts";
import type { Emitter } from "../emit/emitter.ts";
import type { Groups } from "./groups.ts";
import { type HeldEvents, type Holding, NotStaged } from "../contract/held-events.ts";

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
