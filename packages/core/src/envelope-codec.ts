import type { Envelope } from "./contracts/provider.ts";

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
