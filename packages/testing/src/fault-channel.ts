import type { Clock, Envelope, Timer } from "@busbar/core/provider";
import type { DeliveryChannel } from "@busbar/core/memory";
import type { Faults, OrderOf } from "./faults.ts";

type Listener = (envelope: Envelope) => void;

/** What a {@link FaultChannel} needs. */
export interface FaultChannelOptions {
  readonly faults: Faults;
  readonly orderOf: OrderOf;
  /** An envelope has been accepted for a subscription: it comes that many milliseconds late, or so often. */
  onRouted(subscriberId: string, envelope: Envelope, delaysMs: readonly number[]): void;
}

/** An envelope on its way to a queue. */
interface Transit {
  readonly subscriberId: string;
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

  on(subscriberId: string, listener: Listener): void {
    this.#listeners.set(subscriberId, listener);
  }

  off(subscriberId: string, listener: Listener): void {
    if (this.#listeners.get(subscriberId) === listener) this.#listeners.delete(subscriberId);
  }

  emit(subscriberId: string, envelope: Envelope): void {
    const delaysMs = this.#options.faults.arrivals(subscriberId, envelope) ?? [0];
    this.#options.onRouted(subscriberId, envelope, delaysMs);
    for (const delayMs of delaysMs) this.#send(subscriberId, envelope, delayMs);
  }

  /** How many are on their way to a subscription. */
  inTransit(subscriberId: string): number {
    let count = 0;
    for (const transit of this.#transits) if (transit.subscriberId === subscriberId) count += 1;
    return count;
  }

  /** Lets everything arrive that is on its way. */
  flush(): void {
    for (const { subscriberId, envelope, timer } of this.#transits) {
      timer.cancel();
      this.#listeners.get(subscriberId)?.(envelope);
    }
    this.#transits.clear();
  }

  #send(subscriberId: string, envelope: Envelope, delayMs: number): void {
    const clock = this.#clock;
    const now = clock?.monotonic() ?? 0;
    const lane = this.#laneOf(subscriberId, envelope);
    // Order that was promised is kept: nothing arrives before what was sent before it.
    const dueBefore = lane === undefined ? 0 : (this.#lastDue.get(lane) ?? 0);
    const due = Math.max(now + delayMs, dueBefore);
    if (lane !== undefined) this.#lastDue.set(lane, due);
    if (!clock || (due <= now && !this.#isBusy(lane))) {
      this.#listeners.get(subscriberId)?.(envelope);
      return;
    }
    const arrive = (): void => {
      this.#transits.delete(transit);
      this.#listeners.get(subscriberId)?.(envelope);
    };
    const timer = clock.setTimeout(arrive, due - now, { keepAlive: true });
    const transit: Transit = { subscriberId, envelope, timer, lane };
    this.#transits.add(transit);
  }

  #laneOf(subscriberId: string, { orderingKey }: Envelope): string | undefined {
    const order = this.#options.orderOf(subscriberId);
    const key = order === "all" ? "" : orderingKey;
    if (order === "none" || key === undefined) return undefined;
    return JSON.stringify([subscriberId, key]);
  }

  #isBusy(lane: string | undefined): boolean {
    if (lane === undefined) return false;
    for (const transit of this.#transits) if (transit.lane === lane) return true;
    return false;
  }
}
