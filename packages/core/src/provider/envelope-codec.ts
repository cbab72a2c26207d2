import type { JsonValue } from "../contract/json.ts";
import type { DeadDelivery, Delivery, Envelope } from "../contract/provider.ts";

/** A {@link Delivery} as it is stored: its objects as JSON text. */
export interface StoredDelivery {
  /** What `encodeEnvelope` made. */
  readonly envelope: string;
  /** Absent or null until there is one. */
  readonly state?: string | null | undefined;
  /** How many deliveries before this one ended unsettled. */
  readonly crashes: number;
}

/** A {@link DeadDelivery} as it is stored: its objects as JSON text. */
export interface StoredDeadDelivery extends Omit<StoredDelivery, "crashes"> {
  /** The id of the dead letter. */
  readonly id: string | number;
  /** Why the delivery is dead. */
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly diedAt: number;
}

/**
 * Encodes an envelope as JSON text, for a provider that crosses a process boundary. Whatever it
 * holds is JSON already, so that decoding gives an equal one.
 */
export function encodeEnvelope(envelope: Envelope): string {
  return JSON.stringify(envelope);
}

/**
 * Decodes what {@link encodeEnvelope} made.
 *
 * @throws TypeError when the text is something else, with the reason as `cause`.
 */
export function decodeEnvelope(text: string): Envelope {
  let decoded: unknown;
  try {
    decoded = JSON.parse(text);
  } catch (cause) {
    throw new TypeError("Not an envelope: not JSON", { cause });
  }
  if (!isEnvelope(decoded))
    throw new TypeError("Not an envelope: id, name, data or metadata is missing");
  return decoded;
}

/** Decodes a delivery that is stored as text. Throws as {@link decodeEnvelope} does. */
export function decodeDelivery({ envelope, state, crashes }: StoredDelivery): Delivery {
  return { envelope: decodeEnvelope(envelope), state: parse(state), crashes };
}

/** Decodes a dead letter that is stored as text. Throws as {@link decodeEnvelope} does. */
export function decodeDeadDelivery(stored: StoredDeadDelivery): DeadDelivery {
  const { id, envelope, reason, state, diedAt } = stored;
  return {
    id: String(id),
    envelope: decodeEnvelope(envelope),
    reason,
    state: parse(state) ?? null,
    diedAt,
  };
}

function parse(state: string | null | undefined): JsonValue | undefined {
  return typeof state === "string" ? (JSON.parse(state) as JsonValue) : undefined;
}

function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, metadata } = value as Partial<Envelope>;
  return (
    typeof id === "string" &&
    typeof name === "string" &&
    "data" in value &&
    typeof metadata === "object" &&
    metadata !== null
  );
}
