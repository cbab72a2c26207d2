import type { Timer } from "../contract/clock.ts";
import type { ConsumerHandle, Deliver, Settlement } from "../contract/provider.ts";
import { type RunDelivery, toRunDelivery } from "../provider/run-delivery.ts";
import { Chain } from "../values/chain.ts";
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
  readonly #run: RunDelivery;
  readonly #concurrency: number;
  readonly #items = new Chain<QueueItem>();
  /** Deliveries that are not settled. Written here only. */
  inFlight = 0;
  #closing: Promise<void> | undefined;
  #onClosed: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(queue: SubscriptionQueue, host: QueueHost, deliver: Deliver, concurrency: number) {
    this.queue = queue;
    this.#host = host;
    this.#run = toRunDelivery(deliver);
    this.#concurrency = concurrency;
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** What is in flight. */
  [Symbol.iterator](): Iterator<QueueItem> {
    return this.#items[Symbol.iterator]();
  }

  /** Begins a run. Call it only when there is a free slot. */
  hand(item: QueueItem): void {
    this.inFlight += 1;
    this.hasFreeSlot = this.inFlight < this.#concurrency;
    this.#items.add(item);
    const { runs } = item;
    this.#run(item, (settlement) => {
      // Released meanwhile: the consumer that has it now settles it.
      if (item.runs === runs) this.#settle(item, settlement);
    });
  }

  close(options: { readonly graceMs: number }): Promise<void> {
    if (this.#closing) return this.#closing;
    this.#closing = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    this.hasFreeSlot = false;
    this.queue.detach(this);
    if (this.inFlight === 0) this.#closed();
    else if (options.graceMs <= 0) this.abandon();
    else {
      this.#timer = this.#host.clock.setTimeout(() => this.abandon(), options.graceMs, {
        keepAlive: true,
      });
    }
    return this.#closing;
  }

  /** Releases what is still in flight, and ends. */
  abandon(): void {
    if (!this.#closing) {
      void this.close({ graceMs: 0 });
      return;
    }
    for (const item of [...this.#items].toReversed()) this.#end(item, { type: "release" });
    this.#closed();
  }

  #settle(item: QueueItem, settlement: Settlement | undefined): void {
    this.#end(item, settlement);
    if (this.#closing && this.inFlight === 0) this.#closed();
  }

  /** Ends a run; without a settlement it has crashed. */
  #end(item: QueueItem, settlement: Settlement | undefined): void {
    item.runs += 1;
    this.#items.delete(item);
    this.inFlight -= 1;
    this.hasFreeSlot = !this.#closing;
    this.queue.settle(item, settlement);
  }

  #closed(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.queue.ended(this);
    this.#onClosed?.();
  }
}
