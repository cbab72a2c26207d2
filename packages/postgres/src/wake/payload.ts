/** Characters that the payload of a notification has at most: PostgreSQL takes less than 8000 bytes. */
const LONGEST = 7_000;
/** Stands for all queues. */
const ALL = "*";

/** What a notification says. */
export interface Announcement {
  /** The process that has sent it. Empty if the notification is a part of a caller's transaction. */
  readonly sender: string;
  /** The queues that have new deliveries. Undefined: any may have. */
  readonly queues: readonly number[] | undefined;
}

/** An announcement as text without quotes, such as `k3x9 4,17`. */
export function encodeAnnouncement(sender: string, queues: readonly number[]): string {
  const names = queues.join(",");
  return `${sender} ${names.length > LONGEST ? ALL : names}`;
}

/** Reads a payload. Undefined: it is none of {@link encodeAnnouncement}, and announces nothing. */
export function decodeAnnouncement(payload: string): Announcement | undefined {
  const [, sender, names] = /^(\w*) (\*|\d+(?:,\d+)*)$/.exec(payload) ?? [];
  if (sender === undefined || names === undefined) return undefined;
  return { sender, queues: names === ALL ? undefined : names.split(",").map(Number) };
}
