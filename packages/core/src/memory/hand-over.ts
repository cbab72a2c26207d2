import type { TurnTaker } from "./hand-over-turn.ts";
import type { MemoryConsumer } from "./memory-consumer.ts";
import type { QueueHost } from "./queue-host.ts";
import type { ReadyItems } from "./ready-items.ts";

/** Hand-overs in a row before I/O and timers get their turn. */
const BUDGET = 256;

/**
 * Hands what is ready to whoever has a free slot. Never at once, so that a publish runs no handler,
 * but in a microtask; after a full budget, in a later turn of the event loop.
 */
export class HandOver implements TurnTaker {
  next: TurnTaker | undefined = undefined;
  readonly #host: QueueHost;
  readonly #ready: ReadyItems;
  readonly #onHandedOver: () => void;
  readonly #consumers: MemoryConsumer[] = [];
  /** Whose turn it is among the consumers. */
  #turn = 0;
  #budget = BUDGET;
  #scheduled = false;
  #immediate: NodeJS.Immediate | undefined;
  /** All slots are taken: until one is free, there is nothing to schedule. */
  #allBusy = false;
  #paused = false;
  #stopped = false;

  constructor(host: QueueHost, ready: ReadyItems, onHandedOver: () => void) {
    this.#host = host;
    this.#ready = ready;
    this.#onHandedOver = onHandedOver;
  }

  /** Whether there is somebody to hand anything to. */
  get isOpen(): boolean {
    return this.#consumers.length > 0 && !this.#paused;
  }

  /** Whether what is ready waits for I/O and timers to have their turn. */
  get isBehind(): boolean {
    return this.#immediate !== undefined;
  }

  add(consumer: MemoryConsumer): void {
    this.#consumers.push(consumer);
    this.slotFreed();
  }

  remove(consumer: MemoryConsumer): void {
    const index = this.#consumers.indexOf(consumer);
    if (index >= 0) this.#consumers.splice(index, 1);
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.schedule();
  }

  slotFreed(): void {
    this.#allBusy = false;
    this.schedule();
  }

  schedule(): void {
    if (this.#scheduled || this.#allBusy || this.#stopped) return;
    if (this.#ready.size === 0 || !this.isOpen) return;
    this.#scheduled = true;
    if (this.#budget > 0) this.#host.turn.join(this);
    else this.#immediate = setImmediate(this.#nextTurn);
  }

  stop(): void {
    this.#stopped = true;
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
  }

  readonly #nextTurn = (): void => {
    this.#immediate = undefined;
    this.#budget = BUDGET;
    this.#host.turn.join(this);
  };

  handOver(): void {
    while (this.#budget > 0 && this.#ready.size > 0 && !this.#paused && !this.#stopped) {
      const consumer = this.#nextConsumer();
      if (!consumer) {
        this.#allBusy = true;
        break;
      }
      const item = this.#ready.take();
      if (!item) break;
      this.#budget--;
      this.#onHandedOver();
      consumer.hand(item);
    }
    this.#scheduled = false;
    this.schedule();
    this.#host.progressed();
  }

  /** Those with a free slot take turns. */
  #nextConsumer(): MemoryConsumer | undefined {
    const consumers = this.#consumers;
    for (let tried = 0; tried < consumers.length; tried++) {
      if (this.#turn >= consumers.length) this.#turn = 0;
      const consumer = consumers[this.#turn++];
      if (consumer?.hasFreeSlot) return consumer;
    }
    return undefined;
  }
}
