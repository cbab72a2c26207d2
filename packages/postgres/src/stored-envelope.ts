import { decodeEnvelope, type Envelope } from "@busbar/core/provider";

/** The name of a dead letter whose event cannot be read. */
const UNREADABLE = "unreadable";

/** Reads an encoded envelope. Undefined: it is damaged. */
export function readEnvelope(text: string): Envelope | undefined {
  try {
    return decodeEnvelope(text);
  } catch {
    return undefined;
  }
}

/** The envelope of a dead letter, or one whose data is the text that cannot be read. */
export function letterEnvelope(text: string, id: string, diedAt: number): Envelope {
  const metadata = { created_at: diedAt, published_at: diedAt, correlationId: id };
  return readEnvelope(text) ?? { id, name: UNREADABLE, data: text, metadata };
}
