import type { Event } from "../contract/event.ts";
import type { JsonObject, JsonValue } from "../contract/json.ts";
import type { Envelope, EnvelopeMetadata, EnvelopePolicy } from "../contract/provider.ts";
import type { TrackedEvent } from "./settlement-tracker.ts";

/**
 * An envelope that this process has made. It carries the settlement tracker's note on its event, which
 * a provider in memory brings back with each delivery: looking the event up by its id takes longer than
 * all the rest of the tracking. And it carries the event that its handlers share, where they do.
 */
export class OutgoingEnvelope implements Envelope {
  readonly id: string;
  readonly name: string;
  readonly data: JsonValue;
  readonly metadata: EnvelopeMetadata;
  policy: EnvelopePolicy | undefined = undefined;
  orderingKey: string | undefined = undefined;
  priority: number | undefined = undefined;
  delayMs: number | undefined = undefined;
  deduplicationId: string | undefined = undefined;
  to: readonly string[] | undefined = undefined;
  providerOptions: JsonObject | undefined = undefined;
  #note: TrackedEvent | undefined = undefined;
  #sharedEvent: Event | undefined = undefined;

  constructor(id: string, name: string, data: JsonValue, metadata: EnvelopeMetadata) {
    this.id = id;
    this.name = name;
    this.data = data;
    this.metadata = metadata;
  }

  /** An envelope that differs from another in some members. Written out: each release of a group makes some. */
  static from(
    envelope: Envelope,
    changes: Partial<Pick<Envelope, "name" | "data" | "metadata" | "delayMs">>,
  ): OutgoingEnvelope {
    const { name = envelope.name, data = envelope.data, metadata = envelope.metadata } = changes;
    const changed = new OutgoingEnvelope(envelope.id, name, data, metadata);
    changed.policy = envelope.policy;
    changed.orderingKey = envelope.orderingKey;
    changed.priority = envelope.priority;
    changed.delayMs = changes.delayMs ?? envelope.delayMs;
    changed.deduplicationId = envelope.deduplicationId;
    changed.to = envelope.to;
    changed.providerOptions = envelope.providerOptions;
    return changed;
  }

  /** The note on an envelope, if it can have one, and has. */
  static noteOn(envelope: Envelope): TrackedEvent | undefined {
    return #note in envelope ? envelope.#note : undefined;
  }

  /** Leaves a note on an envelope that can have one. */
  static setNote(envelope: Envelope, note: TrackedEvent): void {
    if (#note in envelope) envelope.#note = note;
  }

  /** One event for all handlers of an envelope, if it is one that this process has made. */
  static sharedEvent(envelope: Envelope, create: (envelope: Envelope) => Event): Event {
    if (!(#sharedEvent in envelope)) return create(envelope);
    return (envelope.#sharedEvent ??= create(envelope));
  }

  /**
   * Lets go of the event that handlers have shared. An envelope lives long enough to be moved to the old generation,
   * and would take an event that was made since with it, although both are garbage.
   */
  static forgetSharedEvent(envelope: Envelope): void {
    if (#sharedEvent in envelope && envelope.#sharedEvent) envelope.#sharedEvent = undefined;
  }
}
