import type { Clock } from "../contract/clock.ts";
import type { NextOptions } from "../contract/event-bus-module.ts";
import type { Event } from "../contract/event.ts";
import type { Logger } from "../contract/logger.ts";
import type { EventProvider } from "../contract/provider.ts";
import type { SettlementTracker } from "../causality/settlement-tracker.ts";
import { BusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";
import { nameOf } from "../values/event-names.ts";
import type { Consumers } from "./consumers.ts";
import type { Subscription } from "./subscription.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What {@link NextEvents} needs. */
export interface NextEventsOptions {
  readonly provider: EventProvider;
  readonly subscriptions: Subscriptions;
  readonly consumers: Consumers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Present where every delivery runs in this process. */
  readonly tracker: SettlementTracker | undefined;
}

/** Waits for single events, each with a temporary subscription. */
export class NextEvents {
  readonly #options: NextEventsOptions;
  /** Each ends a wait because the bus stops. */
  readonly #waits = new Set<() => void>();
  /** Subscriptions that are being retired. */
  readonly #retirements = new Set<Promise<void>>();

  constructor(options: NextEventsOptions) {
    this.#options = options;
  }

  /** Resolves with the first event that is emitted from now on. */
  next(selector: string | symbol, { signal, timeoutMs }: NextOptions): Promise<Event> {
    const { clock, consumers, subscriptions } = this.#options;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const subscription = subscriptions.addTemporary(nameOf(selector), (event) =>
        end(() => resolve(event)),
      );
      const end = (settle: () => void): void => {
        // The subscription may get more events until it is retired.
        if (!this.#waits.delete(stop)) return;
        timer?.cancel();
        signal?.removeEventListener("abort", abort);
        this.#retire(subscription);
        settle();
      };
      const stop = (): void => end(() => reject(stopped()));
      const abort = (): void => end(() => reject(signal?.reason));
      const timer =
        timeoutMs === undefined
          ? undefined
          : clock.setTimeout(() => end(() => reject(timedOut(selector, timeoutMs))), timeoutMs);
      this.#waits.add(stop);
      signal?.addEventListener("abort", abort);
      consumers.changed([subscription]);
    });
  }

  /** Rejects every wait. Resolves once their subscriptions are retired. Never rejects. */
  async close(): Promise<void> {
    for (const stop of this.#waits) stop();
    await Promise.all(this.#retirements);
  }

  #retire(subscription: Subscription): void {
    const { consumers, subscriptions } = this.#options;
    const { events, id } = subscription;
    subscription.retire(events);
    subscriptions.forget(id, undefined);
    consumers.ended(subscription);
    const retirement = this.#forget(id).finally(() => this.#retirements.delete(retirement));
    this.#retirements.add(retirement);
  }

  /** If it fails, the provider forgets the subscription by itself. */
  async #forget(id: string): Promise<void> {
    const { consumers, logger, provider, tracker } = this.#options;
    try {
      // The declaration may be on its way.
      await consumers.whenDeclared;
      const count = await provider.subscriptions?.retire(id, { backlog: "discard" });
      if (count) tracker?.loseTrack();
    } catch (err) {
      logger.debug({ err, subscriberId: id }, "A subscription of next() could not be retired");
    }
  }
}

function stopped(): BusbarError<"BUSBAR_NOT_RUNNING"> {
  const message = "Cannot wait for the next event: the bus has stopped";
  return new BusbarError("BUSBAR_NOT_RUNNING", message, { method: "next" });
}

function timedOut(selector: string | symbol, timeoutMs: number): BusbarError<"BUSBAR_TIMEOUT"> {
  const what = `the next event ${quoted(nameOf(selector))}`;
  const message = `Waited ${timeoutMs} ms for ${what}, and it was not emitted`;
  return new BusbarError("BUSBAR_TIMEOUT", message, { timeoutMs, what });
}
