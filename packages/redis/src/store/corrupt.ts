import type { Envelope, JsonValue } from "@busbar/core/provider";
import { readJobData } from "./lean-events.ts";

/** Why a delivery is dead of which the data cannot be read. */
export const CORRUPT = "corrupt";

/** Whether a value from Redis has what the bus and its handlers need of an envelope. */
export function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, metadata } = value as Partial<Envelope>;
  return (
    typeof id === "string" &&
    typeof name === "string" &&
    "data" in value &&
    typeof metadata === "object" &&
    metadata !== null &&
    typeof metadata.created_at === "number" &&
    typeof metadata.published_at === "number"
  );
}

/** The one event of a dead letter, or an envelope whose data is the text that cannot be read. */
export function envelopeIn(
  text: string,
  ifNone: { id: string; name: string; at: number },
): Envelope {
  try {
    const { events } = readJobData<{ readonly events?: readonly Envelope[] }>(text);
    const [envelope] = events ?? [];
    if (isEnvelope(envelope)) return envelope;
  } catch {
    // The text is the best that there is.
  }
  const { id, name, at } = ifNone;
  const metadata = { created_at: at, published_at: at, correlationId: id };
  return { id, name, data: text, metadata };
}

/** The JSON object in a text, without its members' types. Undefined if there is none. */
export function objectIn(text: string): { readonly [member: string]: JsonValue } | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as { readonly [member: string]: JsonValue }) : undefined;
  } catch {
    return undefined;
  }
}
