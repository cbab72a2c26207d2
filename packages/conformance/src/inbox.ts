import assert from "node:assert/strict";
import type { ConsumeSpec, ConsumerHandle, Delivery, Settlement } from "@busbar/core/provider";
import { ACK } from "./builders.ts";
import type { Waiting } from "./waiting.ts";

/** Decides what becomes of a delivery; `nth` counts those of the same event, from 1. */
export type Decide = (handover: Handover, nth: number) => Settlement | Promise<Settlement>;

/** `hold`: the case settles each delivery itself. */
export type Handler = Decide | "hold";

/** One delivery. */
export class Handover {
  readonly delivery: Delivery;
  /** By `performance.now()`. */
  readonly at: number = performance.now();
  /** Fulfilled with what was decided. */
  readonly settled: Promise<Settlement>;
  #resolve!: (settlement: Settlement) => void;
  #reject!: (error: Error) => void;

  constructor(delivery: Delivery) {
    this.delivery = delivery;
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get id(): string {
    return this.delivery.envelope.id;
  }

  settle(settlement: Settlement): void {
    this.#resolve(settlement);
  }

  /** Ends it without a settlement. */
  crash(): void {
    this.#reject(new Error("The handler of the conformance suite crashes, as it should"));
  }
}

/** What one consumer was given. */
export class Inbox {
  readonly spec: ConsumeSpec;
  /** In the order in which they came. */
  readonly handovers: Handover[] = [];
  /** The most that were in flight at the same time. */
  mostInHand = 0;
  /** Set once it is consumed. */
  handle: ConsumerHandle | undefined;
  readonly #handler: Handler;
  readonly #waiting: Waiting;
  readonly #inHand = new Set<Handover>();
  readonly #times = new Map<string, number>();

  constructor(spec: ConsumeSpec, handler: Handler = () => ACK, waiting: Waiting) {
    this.spec = spec;
    this.#handler = handler;
    this.#waiting = waiting;
  }

  /** Ids in the order of the deliveries. */
  get ids(): readonly string[] {
    return this.handovers.map(({ id }) => id);
  }

  /** In flight, the oldest first. */
  get inHand(): readonly Handover[] {
    return [...this.#inHand];
  }

  /** The last delivery of an event, or of all. */
  last(id?: string): Handover {
    const found = this.handovers.findLast((handover) => id === undefined || handover.id === id);
    assert.ok(found, `${id ?? "anything"} is delivered (there were ${this.ids.join(", ")})`);
    return found;
  }

  /** How often an event was delivered. */
  times(id: string): number {
    return this.#times.get(id) ?? 0;
  }

  /** For `consume`. */
  readonly deliver = async (delivery: Delivery): Promise<Settlement> => {
    const handover = new Handover(delivery);
    const nth = this.times(handover.id) + 1;
    this.#times.set(handover.id, nth);
    this.handovers.push(handover);
    this.#inHand.add(handover);
    this.mostInHand = Math.max(this.mostInHand, this.#inHand.size);
    this.#waiting.changed();
    try {
      return await (this.#handler === "hold" ? handover.settled : this.#handler(handover, nth));
    } finally {
      this.#inHand.delete(handover);
      this.#waiting.changed();
    }
  };

  /** Resolves after that many deliveries, repeated ones included. */
  async received(count: number): Promise<void> {
    await this.#waiting.until(
      () =>
        `${count} deliveries to "${this.spec.subscriptionId}" (it had ${this.handovers.length})`,
      () => this.handovers.length >= count,
    );
  }

  /** Resolves once every one of these events was delivered. */
  async has(ids: readonly string[]): Promise<void> {
    await this.#waiting.until(
      () => {
        const missing = ids.filter((id) => this.times(id) === 0);
        const named = missing.slice(0, 5).join(", ");
        return `${missing.length} of ${ids.length} events for "${this.spec.subscriptionId}" (${named}…)`;
      },
      () => ids.every((id) => this.times(id) > 0),
    );
  }

  /** Resolves once nothing is in flight. */
  async idle(): Promise<void> {
    await this.#waiting.until(
      () => `"${this.spec.subscriptionId}" to end what it has in flight (${this.#inHand.size})`,
      () => this.#inHand.size === 0,
    );
  }

  /** Resolves once that many are in flight at the same time. */
  async holds(count: number): Promise<readonly Handover[]> {
    await this.#waiting.until(
      () => `${count} deliveries in flight of "${this.spec.subscriptionId}" (${this.#inHand.size})`,
      () => this.#inHand.size >= count,
    );
    return this.inHand;
  }

  /** Settles all that is in flight. */
  settleAll(settlement: Settlement = ACK): void {
    for (const handover of this.#inHand) handover.settle(settlement);
  }

  async close(graceMs = 1_000): Promise<void> {
    await this.handle?.close({ graceMs });
  }
}
