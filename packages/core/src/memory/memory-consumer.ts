import type { Timer } from "../contract/clock.ts";
import type { ConsumerHandle, Deliver, Delivery, Settlement } from "../contract/provider.ts";
import type { QueueHost } from "./queue-host.ts";
import type { QueueItem } from "./queue-item.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";

/** Runs a delivery, and tells what becomes of it. Without a settlement it has crashed. */
type Run = (delivery: Delivery, settle: (settlement: Settlement | undefined) => void) => void;

/** Runs deliveries by a function that gives promises. */
export function settling(deliver: Deliver): Run {
  return ({ envelope, state, crashes }, settle) => {
    deliver({ envelope, state, crashes }).then(settle, () => settle(undefined));
  };
}

/** Takes deliveries from one queue, as many at the same time as it has slots. */
export class MemoryConsumer implements ConsumerHandle {
  /** Changes when the subscription gets a new id. */
  queue: SubscriptionQueue;
  readonly #host: QueueHost;
  readonly #run: Run;
  readonly #concurrency: number;
  /** Made as they are needed: a concurrency of 1 000 costs nothing until 1 000 are in hand. */
  readonly #slots: Slot[] = [];
  readonly #idle: Slot[] = [];
  #inHand = 0;
  #closing: PromiseWithResolvers | undefined;
  #timer: Timer | undefined;

  constructor(queue: SubscriptionQueue, host: QueueHost, run: Run, concurrency: number) {
    this.queue = queue;
    this.#host = host;
    this.#run = run;
    this.#concurrency = concurrency;
  }

  get hasFreeSlot(): boolean {
    return this.#inHand < this.#concurrency && !this.#closing;
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** What is in hand. */
  *[Symbol.iterator](): IterableIterator<QueueItem> {
    for (const { item } of this.#slots) if (item) yield item;
  }

  /** Begins a run. Call it only when there is a free slot. */
  hand(item: QueueItem): void {
    let slot = this.#idle.pop();
    if (!slot) {
      slot = new Slot(this);
      this.#slots.push(slot);
    }
    this.#inHand++;
    slot.run(item, this.#run);
  }

  /** A run has ended; without a settlement it has crashed. */
  finish(slot: Slot, item: QueueItem, settlement: Settlement | undefined): void {
    this.#inHand--;
    this.#idle.push(slot);
    this.queue.settle(item, settlement);
    if (this.#closing && this.#inHand === 0) this.#closed();
  }

  close(options: { readonly graceMs: number }): Promise<void> {
    if (this.#closing) return this.#closing.promise;
    this.#closing = withResolvers();
    this.queue.detach(this);
    if (this.#inHand === 0) this.#closed();
    else if (options.graceMs <= 0) this.abandon();
    else {
      this.#timer = this.#host.clock.setTimeout(() => this.abandon(), options.graceMs, {
        keepAlive: true,
      });
    }
    return this.#closing.promise;
  }

  /** Hands what is still in hand back, and ends. */
  abandon(): void {
    if (!this.#closing) {
      void this.close({ graceMs: 0 });
      return;
    }
    for (const slot of this.#slots) {
      const { item } = slot;
      if (!item) continue;
      slot.item = undefined;
      this.#inHand--;
      this.queue.settle(item, { type: "release" });
    }
    this.#closed();
  }

  #closed(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.queue.ended(this);
    this.#closing?.resolve();
  }
}

/** One run at a time. Its callbacks are made once, not for each delivery. */
class Slot {
  /** Undefined between runs, and when it was handed back before its settlement came. */
  item: QueueItem | undefined = undefined;
  readonly #consumer: MemoryConsumer;

  constructor(consumer: MemoryConsumer) {
    this.#consumer = consumer;
  }

  run(item: QueueItem, run: Run): void {
    this.item = item;
    try {
      run(item, this.#settle);
    } catch {
      // Against the contract, and to the queue nothing but a delivery without a settlement.
      this.#settle(undefined);
    }
  }

  readonly #settle = (settlement: Settlement | undefined): void => {
    const { item } = this;
    // Handed back meanwhile: whoever has it now settles it.
    if (!item) return;
    this.item = undefined;
    this.#consumer.finish(this, item, settlement);
  };
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
