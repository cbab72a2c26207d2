import type { Clock, Envelope, Timer } from "@busbar/core/provider";
import type { DeliveryChannel } from "@busbar/core/memory";
import type { Faults, OrderOf } from "./faults.ts";

type Listener = (envelope: Envelope) => void;

/** What a {@link FaultChannel} needs. */
export interface FaultChannelOptions {
  readonly faults: Faults;
  readonly orderOf: OrderOf;
  /** An envelope has been accepted for a subscription: it comes that many milliseconds late, or so often. */
  onRouted(subscriptionId: string, envelope: Envelope, delaysMs: readonly number[]): void;
}

/** An envelope on its way to a queue. */
interface Transit {
  readonly subscriptionId: string;
  readonly envelope: Envelope;
  readonly timer: Timer;
  /** Whom it must not overtake, nor be overtaken by. */
  readonly lane: string | undefined;
}

/** The fan-out, with delays, repetitions and disorder on the way. */
export class FaultChannel implements DeliveryChannel {
  readonly #options: FaultChannelOptions;
  readonly #listeners = new Map<string, Listener>();
  readonly #transits = new Set<Transit>();
  /** When the last one of what must keep its order arrives, by subscription and key. */
  readonly #lastDue = new Map<string, number>();
  #clock: Clock | undefined;

  constructor(options: FaultChannelOptions) {
    this.#options = options;
  }

  start(clock: Clock): void {
    this.#clock = clock;
  }

  on(subscriptionId: string, listener: Listener): void {
    this.#listeners.set(subscriptionId, listener);
  }

  off(subscriptionId: string, listener: Listener): void {
    if (this.#listeners.get(subscriptionId) === listener) this.#listeners.delete(subscriptionId);
  }

  emit(subscriptionId: string, envelope: Envelope): void {
    const delaysMs = this.#options.faults.arrivals(subscriptionId, envelope) ?? [0];
    this.#options.onRouted(subscriptionId, envelope, delaysMs);
    for (const delayMs of delaysMs) this.#send(subscriptionId, envelope, delayMs);
  }

  /** How many are on their way to a subscription. */
  inTransit(subscriptionId: string): number {
    let count = 0;
    for (const transit of this.#transits) if (transit.subscriptionId === subscriptionId) count += 1;
    return count;
  }

  /** Lets everything arrive that is on its way. */
  flush(): void {
    for (const { subscriptionId, envelope, timer } of this.#transits) {
      timer.cancel();
      this.#listeners.get(subscriptionId)?.(envelope);
    }
    this.#transits.clear();
  }

  #send(subscriptionId: string, envelope: Envelope, delayMs: number): void {
    const clock = this.#clock;
    const now = clock?.monotonic() ?? 0;
    const lane = this.#laneOf(subscriptionId, envelope);
    // Order that was promised is kept: nothing arrives before what was sent before it.
    const dueBefore = lane === undefined ? 0 : (this.#lastDue.get(lane) ?? 0);
    const due = Math.max(now + delayMs, dueBefore);
    if (lane !== undefined) this.#lastDue.set(lane, due);
    if (!clock || (due <= now && !this.#isBusy(lane))) {
      this.#listeners.get(subscriptionId)?.(envelope);
      return;
    }
    const arrive = (): void => {
      this.#transits.delete(transit);
      this.#listeners.get(subscriptionId)?.(envelope);
    };
    const timer = clock.setTimeout(arrive, due - now, { keepAlive: true });
    const transit: Transit = { subscriptionId, envelope, timer, lane };
    this.#transits.add(transit);
  }

  #laneOf(subscriptionId: string, { orderingKey }: Envelope): string | undefined {
    const order = this.#options.orderOf(subscriptionId);
    const key = order === "all" ? "" : orderingKey;
    if (order === "none" || key === undefined) return undefined;
    return JSON.stringify([subscriptionId, key]);
  }

  #isBusy(lane: string | undefined): boolean {
    if (lane === undefined) return false;
    for (const transit of this.#transits) if (transit.lane === lane) return true;
    return false;
  }
}
