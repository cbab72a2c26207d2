/** Milliseconds that a `Retry-After` says at most: what asks for more does not mean it. */
const MOST_MS = 366 * 24 * 60 * 60 * 1_000;

/** The three forms of a date that HTTP knows: RFC 1123, RFC 850, and asctime. */
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/;

/**
 * Returns how many milliseconds a `Retry-After` asks to wait: 0 for a date in the past, a year at most, and undefined
 * for what is neither a number of seconds nor a date of HTTP.
 *
 * @param value The header, if the answer has one.
 * @param date The header `Date` of the same answer. A date is taken as relative to it, so that the clock of the other
 *   side may be wrong; without it, as relative to `now`.
 * @param now The present time.
 */
export function parseRetryAfter(
  value: string | undefined,
  date: string | undefined,
  now: Date,
): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return clamped(Number(text) * 1_000);
  const until = parseHttpDate(text);
  if (until === undefined) return undefined;
  return clamped(until - (parseHttpDate(date?.trim() ?? "") ?? now.getTime()));
}

function parseHttpDate(text: string): number | undefined {
  if (!HTTP_DATE.test(text)) return undefined;
  // asctime has no zone, and means UTC.
  const time = Date.parse(text.endsWith(" GMT") ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : time;
}

function clamped(ms: number): number {
  return Math.min(Math.max(ms, 0), MOST_MS);
}
