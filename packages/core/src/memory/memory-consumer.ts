import type { Timer } from "../contract/clock.ts";
import type { ConsumerHandle, Deliver, Settlement } from "../contract/provider.ts";
import { Chain, type Linked } from "../values/chain.ts";
import type { QueueHost } from "./queue-host.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";
import type { QueueItem } from "./waiting-items.ts";

/** Takes deliveries from one queue, as many at the same time as it has slots. */
export class MemoryConsumer implements ConsumerHandle {
  /** Changes when the subscription gets a new id. */
  queue: SubscriptionQueue;
  /** Whether it takes one more. */
  hasFreeSlot = true;
  readonly #host: QueueHost;
  readonly #deliver: Deliver;
  readonly #concurrency: number;
  readonly #runs = new Chain<Run>();
  #inHand = 0;
  #closing: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(queue: SubscriptionQueue, host: QueueHost, deliver: Deliver, concurrency: number) {
    this.queue = queue;
    this.#host = host;
    this.#deliver = deliver;
    this.#concurrency = concurrency;
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** What is in hand. */
  *[Symbol.iterator](): IterableIterator<QueueItem> {
    for (const { item } of this.#runs) yield item;
  }

  /** Begins a run. Call it only when there is a free slot. */
  hand(item: QueueItem): void {
    this.#inHand += 1;
    this.hasFreeSlot = this.#inHand < this.#concurrency;
    const run: Run = { item, isUnderWay: true, previous: undefined, next: undefined };
    this.#runs.add(run);
    const { envelope, state, crashes } = item;
    const settle = (settlement: Settlement | undefined): void => this.#finish(run, settlement);
    try {
      this.#deliver({ envelope, state, crashes }).then(settle, () => settle(undefined));
    } catch {
      // Against the contract, and to the queue nothing but a delivery without a settlement.
      settle(undefined);
    }
  }

  close(options: { readonly graceMs: number }): Promise<void> {
    if (this.#closing) return this.#closing;
    this.#closing = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    this.hasFreeSlot = false;
    this.queue.detach(this);
    if (this.#inHand === 0) this.#closed();
    else if (options.graceMs <= 0) this.abandon();
    else {
      this.#timer = this.#host.clock.setTimeout(() => this.abandon(), options.graceMs, {
        keepAlive: true,
      });
    }
    return this.#closing;
  }

  /** Hands what is still in hand back, and ends. */
  abandon(): void {
    if (!this.#closing) {
      void this.close({ graceMs: 0 });
      return;
    }
    for (const run of [...this.#runs].toReversed()) {
      this.#end(run);
      this.queue.settle(run.item, { type: "release" });
    }
    this.#closed();
  }

  /** A run has ended; without a settlement it has crashed. */
  #finish(run: Run, settlement: Settlement | undefined): void {
    // Handed back meanwhile: whoever has it now settles it.
    if (!run.isUnderWay) return;
    this.#end(run);
    this.queue.settle(run.item, settlement);
    if (this.#closing && this.#inHand === 0) this.#closed();
  }

  #end(run: Run): void {
    run.isUnderWay = false;
    this.#runs.delete(run);
    this.#inHand -= 1;
    this.hasFreeSlot = !this.#closing;
  }

  #closed(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.queue.ended(this);
    this.#onClosed?.();
  }
}

/** A delivery in hand. */
interface Run extends Linked<Run> {
  readonly item: QueueItem;
  isUnderWay: boolean;
}
