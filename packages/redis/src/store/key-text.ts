import type { Envelope } from "@busbar/core/provider";

/**
 * A string as part of a key in Redis. Redis stores UTF-8, which has no lone surrogates: two strings that
 * differ in one would become the same key. Others stay as they are, for whoever reads the keys.
 */
export function encodeKey(text: string): string {
  return text.startsWith('"') || !text.isWellFormed() ? JSON.stringify(text) : text;
}

/** The string that {@link encodeKey} was given. */
export function decodeKey(key: string): string {
  return key.startsWith('"') ? String(JSON.parse(key)) : key;
}

/** What a `deduplicationId` is remembered under, for the scope of a subscription as it stands in keys. */
export function deduplicationKey(scope: string, deduplicationId: string): string {
  return `${scope}:${encodeKey(deduplicationId)}`;
}

/** What dashboards show of a pack: the name of its events, or the first and how many others there are. */
export function packName(events: readonly Pick<Envelope, "name">[]): string {
  const first = events[0]?.name ?? "";
  const isOne = events.every(({ name }) => name === first);
  return (isOne ? first : `${first} +${events.length - 1}`).toWellFormed();
}
