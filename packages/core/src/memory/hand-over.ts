import { clearImmediate, setImmediate } from "node:timers";
import { detachedScope } from "../causality/causality.ts";
import type { Backlog } from "./backlog.ts";
import type { MemoryConsumer } from "./memory-consumer.ts";
import type { QueueHost } from "./queue-host.ts";

/** Hand-overs in a row before I/O and timers get their turn. */
const BUDGET = 256;

const RESOLVED = Promise.resolve();

/**
 * The microtask in which the queues of a provider hand over: one for all that have something ready by then, as
 * each costs as much as a delivery.
 */
export class HandOverTurn {
  /**
   * Deliveries run in here and not in the async context of whoever published last, or has started the
   * provider: a handler must not find another's AsyncLocalStorage, and would find none on a provider that
   * crosses processes.
   */
  readonly #scope = detachedScope();
  #waiting: HandOver[] = [];

  /** Calls `handOver` in the next turn. */
  join(handOver: HandOver): void {
    // Not queueMicrotask, which makes an async resource of its own for each call.
    if (this.#waiting.push(handOver) === 1) void RESOLVED.then(this.#run);
  }

  readonly #run = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#scope.runInAsyncScope(handOverAll, undefined, waiting);
  };
}

function handOverAll(waiting: readonly HandOver[]): void {
  for (const handOver of waiting) handOver.run();
}

/**
 * Hands what is ready in a queue to whoever has a free slot. Never at once, so that a publish runs no handler,
 * but in a microtask; after a full budget, in a later turn of the event loop.
 */
export class HandOver {
  readonly #host: QueueHost;
  readonly #backlog: Backlog;
  readonly #consumers: MemoryConsumer[] = [];
  /** Whose turn it is among the consumers. */
  #turn = 0;
  #budget = BUDGET;
  #scheduled = false;
  #immediate: NodeJS.Immediate | undefined;
  /** Whether what is ready waits for I/O and timers to have their turn. Written here only. */
  isBehind = false;
  /** All slots are taken: until one is free, there is nothing to schedule. */
  #allBusy = false;
  #paused = false;
  #stopped = false;

  constructor(host: QueueHost, backlog: Backlog) {
    this.#host = host;
    this.#backlog = backlog;
  }

  /** Whether there is somebody to hand anything to. */
  get isOpen(): boolean {
    return this.#consumers.length > 0 && !this.#paused;
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
    if (this.#backlog.ready.size > 0) this.schedule();
  }

  /** Something may be ready, or somebody free. */
  schedule(): void {
    if (this.#scheduled || this.#allBusy || this.#stopped || this.#paused) return;
    if (this.#backlog.ready.size === 0 || this.#consumers.length === 0) return;
    this.#scheduled = true;
    if (this.#budget > 0) this.#host.turn.join(this);
    else {
      this.isBehind = true;
      this.#immediate = setImmediate(this.#nextTurn);
    }
  }

  stop(): void {
    this.#stopped = true;
    clearImmediate(this.#immediate);
    this.isBehind = false;
  }

  readonly #nextTurn = (): void => {
    this.isBehind = false;
    this.#budget = BUDGET;
    this.#host.turn.join(this);
  };

  /** Hands over as much as there is, and as is free. */
  run(): void {
    while (this.#budget > 0 && this.#backlog.ready.size > 0 && !this.#paused && !this.#stopped) {
      const consumer = this.#nextConsumer();
      if (!consumer) {
        this.#allBusy = true;
        break;
      }
      const item = this.#backlog.take();
      if (!item) break;
      this.#budget--;
      consumer.hand(item);
    }
    this.#scheduled = false;
    if (this.#backlog.ready.size > 0) this.schedule();
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
