import type { NotifierResult } from "../contract/notifier.ts";
import type { Secret } from "../contract/subscription.ts";

/** UTF-8 bytes of a response that are kept. */
const RESPONSE_BYTES = 16_384;
/** Characters of an error that are kept. */
const ERROR_CHARACTERS = 1_000;
/** Characters of a header that are kept, and how many headers. */
const HEADER_CHARACTERS = 1_000;
const HEADERS = 100;
const REDACTED = "[redacted]";
/** Names of headers that are secret whatever they say. */
const SECRET_HEADER = /^(proxy-)?authorization$|cookie|secret|token|password|api-?key|credential/i;

/**
 * A result as the log keeps it: within bounds, in characters that every database takes, without secrets. A notifier is to
 * leave secrets out by itself; this is for the one that forgets.
 */
export function forLog(result: NotifierResult, secrets: readonly Secret[]): NotifierResult {
  const values = secrets.map(({ value }) => value).filter((value) => value !== "");
  const safe = (text: string, most: number): string => {
    let safe = storable(text.slice(0, most));
    for (const value of values) safe = safe.replaceAll(value, REDACTED);
    return safe;
  };
  const { error, response, requestHeaders, status } = result;
  return {
    ...result,
    // A notifier may be anybody's.
    ok: result.ok === true,
    retryable: result.retryable === true,
    status: Number.isSafeInteger(status) ? status : undefined,
    error: error === undefined ? undefined : safe(String(error), ERROR_CHARACTERS),
    response: response === undefined ? undefined : within(safe(String(response), RESPONSE_BYTES)),
    requestHeaders: requestHeaders && safeHeaders(requestHeaders, safe),
  };
}

function safeHeaders(
  headers: Readonly<Record<string, string>>,
  safe: (text: string, most: number) => string,
): Readonly<Record<string, string>> {
  const entries = Object.entries(headers).slice(0, HEADERS);
  return Object.fromEntries(
    entries.map(([name, value]) => [
      safe(name, HEADER_CHARACTERS),
      SECRET_HEADER.test(name) ? REDACTED : safe(String(value), HEADER_CHARACTERS),
    ]),
  );
}

/** A text without what PostgreSQL does not store: NUL, and halves of characters. */
function storable(text: string): string {
  return text.replaceAll("\0", "\uFFFD").toWellFormed();
}

function within(text: string): string {
  // One UTF-16 unit has three bytes at most, so that few texts are counted.
  if (text.length * 3 <= RESPONSE_BYTES || Buffer.byteLength(text) <= RESPONSE_BYTES) return text;
  const bytes = Buffer.from(text).subarray(0, RESPONSE_BYTES);
  return bytes.toString("utf8").replace(/\uFFFD$/, "");
}
