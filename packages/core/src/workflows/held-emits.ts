import { HeldEvents, type Holding, holdingOf } from "../contract/held-events.ts";
import type { EventMessage } from "../contract/event.ts";
import type { IEventBusModule } from "../contract/event-bus-module.ts";
import type { StagedEvent } from "../contract/provider.ts";

/** Above that many events are staged at once. */
const MOST_EVENTS = 1_000;

/**
 * What the last steps of a run have emitted: it is staged before anything of the user's runs, and at the end of
 * the run released together with what was staged before, in one request.
 */
export class HeldEmits {
  readonly #eventGroupId: string;
  #holding: Holding | undefined;
  #events: StagedEvent[] = [];
  #firstStep: string | undefined;

  constructor(eventGroupId: string) {
    this.#eventGroupId = eventGroupId;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  /** The step whose failure it is if they cannot be staged. */
  get firstStep(): string {
    return this.#firstStep ?? "";
  }

  /** Emits messages of a step, or holds their events. Resolves with their ids. */
  async emit(
    bus: IEventBusModule,
    messages: readonly EventMessage[],
    step: string,
  ): Promise<readonly string[]> {
    const holding = holdingOf(bus);
    const isSame = this.isEmpty || holding === this.#holding;
    if (!holding || !isSame || this.#events.length + messages.length > MOST_EVENTS) {
      if (!this.isEmpty) await this.stage();
      return await bus.emit(messages);
    }
    const events = await holding.prepare(messages);
    this.#holding = holding;
    this.#firstStep ??= step;
    this.#events.push(...events);
    return events.map(({ envelope }) => envelope.id);
  }

  /** @throws What their emit would have rejected with. */
  async stage(): Promise<void> {
    const held = this.take();
    await held?.holding.stage(held);
  }

  /** What there is to release. Nothing is held after that. */
  take(): HeldEvents | undefined {
    if (this.isEmpty || !this.#holding) return undefined;
    const held = new HeldEvents(this.#holding, this.#eventGroupId, this.#events);
    this.drop();
    return held;
  }

  /** The run has failed. */
  drop(): void {
    this.#events = [];
    this.#firstStep = undefined;
  }
}
