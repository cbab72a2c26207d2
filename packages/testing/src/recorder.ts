import {
  type Clock,
  type Delivery,
  type Envelope,
  type JsonValue,
  matchesPattern,
  type Settlement,
} from "@busbar/core/provider";
import type { DeadReason, Event } from "@busbar/core";
import { Trace } from "./trace.ts";

/**
 * What became of a delivery. `running`: not known yet. `failed`: it runs again. `dead`: it failed and
 * does not. `crashed`: to the bus, the process died, and it comes again. `released`:
 * released and not counted.
 */
export type DeliveryOutcome =
  | "running"
  | "acknowledged"
  | "failed"
  | "dead"
  | "crashed"
  | "released";

/** One delivery of an event to a subscription. */
export interface RecordedDelivery {
  /** The subscription that the event was delivered to. */
  readonly subscriberId: string;
  /** The event, as handlers see it. */
  readonly event: Event;
  /** 1 for the first run, 2 for the first retry. Crashes and releases do not count. */
  readonly attempt: number;
  /** What became of the delivery. */
  readonly outcome: DeliveryOutcome;
  /** What the last run failed with, where the outcome is `failed` or `dead`. */
  readonly error?: { readonly name: string; readonly message: string } | undefined;
  /** Why it is dead. */
  readonly reason?: DeadReason | undefined;
  /** When it was delivered. */
  readonly at: Date;
}

/** An event that was handed to the provider. */
export interface Emission {
  readonly event: Event;
  /** Whether the provider has it; a publish may still wait for room, or be refused. */
  accepted: boolean;
  /** Whether a `next` has had it. */
  taken: boolean;
}

type OpenDelivery = { -readonly [Member in keyof RecordedDelivery]: RecordedDelivery[Member] };

/** Remembers what a provider was given, and what became of it. */
export class Recorder {
  readonly trace: Trace;
  readonly #clock: Clock;
  #emissions: Emission[] = [];
  #deliveries: OpenDelivery[] = [];
  readonly #accepting = new WeakMap<Envelope, Emission>();
  readonly #onAccepted: (emission: Emission) => void;

  constructor(clock: Clock, onAccepted: (emission: Emission) => void) {
    this.#clock = clock;
    this.#onAccepted = onAccepted;
    this.trace = new Trace(clock);
  }

  /** Accepted events in the order in which they were published. */
  emissions(pattern: string | undefined): Emission[] {
    return this.#emissions.filter(
      ({ accepted, event }) =>
        accepted && (pattern === undefined || matchesPattern(pattern, event.name)),
    );
  }

  deliveries(subscriberId: string | undefined): RecordedDelivery[] {
    return this.#deliveries
      .filter((delivery) => subscriberId === undefined || delivery.subscriberId === subscriberId)
      .map((delivery) => ({ ...delivery }));
  }

  clear(): void {
    this.#emissions = [];
    this.#deliveries = [];
    this.trace.clear();
  }

  publishing(envelope: Envelope): void {
    const emission: Emission = { event: eventOf(envelope), accepted: false, taken: false };
    this.#emissions.push(emission);
    this.#accepting.set(envelope, emission);
  }

  accepted(envelope: Envelope): void {
    const emission = this.#accepting.get(envelope);
    if (!emission || emission.accepted) return;
    emission.accepted = true;
    this.trace.add("emitted", envelope, JSON.stringify(envelope.data));
    this.#onAccepted(emission);
  }

  handedOver(subscriberId: string, { envelope, state }: Delivery): OpenDelivery {
    const attempt = failuresIn(state).runs + 1;
    const delivery: OpenDelivery = {
      subscriberId,
      event: eventOf(envelope),
      attempt,
      outcome: "running",
      at: new Date(this.#clock.now()),
    };
    this.#deliveries.push(delivery);
    this.trace.add("handed over", envelope, `to ${subscriberId}, attempt ${attempt}`);
    return delivery;
  }

  settled(delivery: OpenDelivery, envelope: Envelope, settlement: Settlement): void {
    const by = `by ${delivery.subscriberId}`;
    if (settlement.type === "ack") {
      delivery.outcome = "acknowledged";
    } else if (settlement.type === "release") {
      delivery.outcome = "released";
    } else {
      const { last } = failuresIn(settlement.state);
      delivery.outcome = settlement.type === "dead" ? "dead" : "failed";
      delivery.error = last;
      if (settlement.type === "dead") delivery.reason = settlement.reason as DeadReason;
    }
    const why = delivery.error ? `: ${delivery.error.message}` : "";
    this.trace.add(delivery.outcome, envelope, by + why);
  }

  crashed(delivery: OpenDelivery, envelope: Envelope, where: string): void {
    delivery.outcome = "crashed";
    this.trace.add("crashed", envelope, `${where} ${delivery.subscriberId}`);
  }
}

/** An event as handlers see it, in an object of its own. */
function eventOf({ id, name, data, metadata }: Envelope): Event {
  const { created_at, published_at, ...others } = metadata;
  return {
    id,
    name,
    data: structuredClone(data),
    metadata: {
      ...structuredClone(others),
      createdAt: new Date(created_at),
      created_at: new Date(created_at),
      publishedAt: new Date(published_at),
      published_at: new Date(published_at),
    },
  };
}

/**
 * What the bus keeps of failures in the state of a delivery. No provider may look into it; this one
 * does, to tell a test the error, and goes without where it finds something else.
 */
function failuresIn(state: JsonValue | undefined): {
  readonly runs: number;
  readonly last: RecordedDelivery["error"];
} {
  const { runs, errors } = (state ?? {}) as { readonly runs?: unknown; readonly errors?: unknown };
  const last: unknown = Array.isArray(errors) ? errors.at(-1) : undefined;
  const { name, message } = (last ?? {}) as { readonly name?: unknown; readonly message?: unknown };
  return {
    runs: typeof runs === "number" ? runs : 0,
    last: last === undefined ? undefined : { name: String(name), message: String(message) },
  };
}
