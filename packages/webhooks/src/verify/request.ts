import { WebhookVerificationError } from "./verification-error.ts";

/** The headers of a request: a `Headers`, a `Map`, or an object such as `request.headers` of Node. Names in any case. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** The body of a request, exactly as it was received. */
export type WebhookBody = string | ArrayBuffer | ArrayBufferView;

/**
 * The value of a header. Repeated headers are joined as HTTP says, except signatures, which are lists already.
 *
 * @throws WebhookVerificationError `missing-header` when it is not there, or empty.
 */
export function requiredHeader(headers: WebhookHeaders, name: string): string {
  const value = headerOf(headers, name);
  if (value !== "") return value;
  throw new WebhookVerificationError("missing-header", `The header ${name} is missing`);
}

/** The value of a header, without white space around it. Empty if it is not there. */
function headerOf(headers: WebhookHeaders, name: string): string {
  const separator = name === "webhook-signature" ? " " : ", ";
  const values: string[] = [];
  for (const entry of entriesOf(headers, name)) {
    if (!Array.isArray(entry)) continue;
    const [key, value] = entry as unknown[];
    if (typeof key !== "string" || key.toLowerCase() !== name) continue;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    values.push(...list.filter((each): each is string => typeof each === "string"));
  }
  return values.join(separator).trim();
}

/**
 * The bytes of a body.
 *
 * @throws TypeError When it was parsed already.
 */
export function bytesOf(body: WebhookBody): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  // Not `instanceof`: bodies may come from another realm.
  if (ArrayBuffer.isView(body)) {
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  }
  if (Object.prototype.toString.call(body) === "[object ArrayBuffer]") return new Uint8Array(body);
  throw new TypeError(
    "The body must be the text or the bytes that were received, not what a parser has made of them",
  );
}

/**
 * Parses a body as JSON.
 *
 * @throws WebhookVerificationError `bad-json` when it is none, or no UTF-8.
 */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new WebhookVerificationError("bad-json", "The body is no JSON", { cause });
  }
}

function entriesOf(headers: unknown, name: string): Iterable<unknown> {
  if (typeof headers !== "object" || headers === null) return [];
  const { get, [Symbol.iterator]: iterate } = headers as Record<string | symbol, unknown>;
  if (typeof iterate === "function") return headers as Iterable<unknown>;
  if (typeof get === "function") return [[name, get.call(headers, name) as unknown]];
  return Object.entries(headers);
}
