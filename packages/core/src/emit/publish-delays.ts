import type { Clock } from "../contract/clock.ts";
import type { Envelope } from "../contract/provider.ts";
import { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";

/**
 * Shortens the delay of an envelope by the time that has passed since its publish began: it waited for the
 * batch before it, or the provider refused it for the moment.
 */
export class PublishDelays {
  readonly #clock: Clock;
  /** When envelopes are due, on the clock's monotonic scale. Those without a delay are not in it. */
  readonly #due = new WeakMap<Envelope, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The publish of envelopes begins. */
  begin(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      if (envelope.delayMs === undefined) continue;
      this.#due.set(envelope, this.#clock.monotonic() + envelope.delayMs);
    }
  }

  /** The envelopes, each with what is left of its delay. */
  remaining(envelopes: readonly Envelope[]): readonly Envelope[] {
    return envelopes.some(isDelayed) ? envelopes.map((it) => this.#remaining(it)) : envelopes;
  }

  #remaining(envelope: Envelope): Envelope {
    const due = this.#due.get(envelope);
    if (due === undefined) return envelope;
    const delayMs = Math.max(Math.ceil(due - this.#clock.monotonic()), 0);
    return delayMs === envelope.delayMs ? envelope : OutgoingEnvelope.from(envelope, { delayMs });
  }
}

function isDelayed({ delayMs }: Envelope): boolean {
  return delayMs !== undefined;
}
