import { decodeBase64, encodeBase64 } from "./base64.ts";
import {
  bytesOfSet,
  importPublicKey,
  importSecret,
  type Key,
  publicKeyBytes,
  secretBytes,
  type WebKeySet,
} from "./keys.ts";
import { receivedEvent, type ReceivedEvent } from "./received-event.ts";
import { type FetchKeys, RemoteKeys } from "./remote-keys.ts";
import {
  bytesOf,
  parseJson,
  requiredHeader,
  type WebhookBody,
  type WebhookHeaders,
} from "./request.ts";
import { WebhookVerificationError } from "./verification-error.ts";

/** Senders sign with ten secrets at most. More signatures of a kind are not looked at. */
const MAX_SIGNATURES = 20;
const SIGNATURE_BYTES = 64;

/** What a receiver trusts. At least one of `secrets`, `publicKeys` and `jwks` is needed. */
export interface VerifierOptions {
  /**
   * Shared secrets, for `v1` signatures: `whsec_…`, or any text, of which the UTF-8 bytes are the key. While a secret is
   * rotated, give both.
   */
  readonly secrets?: string | readonly string[] | undefined;
  /** Public keys, `whpk_…`, for `v1a` signatures. */
  readonly publicKeys?: string | readonly string[] | undefined;
  /**
   * The public keys as a JSON Web Key Set, for `v1a` signatures: the set, or its `https` URL. From a URL, the set is
   * fetched with the first request, and kept as long as the answer's `max-age` says. When no key fits, it is fetched
   * again, at most every 30 seconds. When it cannot be fetched, the last one is used for a day.
   */
  readonly jwks?: string | URL | WebKeySet | undefined;
  /**
   * Milliseconds by which the time of a request may differ from `now`, in either direction.
   *
   * @default 300_000
   */
  readonly toleranceMs?: number | undefined;
  /**
   * The present time, in milliseconds since the epoch.
   *
   * @default Date.now
   */
  readonly now?: (() => number) | undefined;
  /**
   * Fetches the key set.
   *
   * @default fetch
   */
  readonly fetch?: FetchKeys | undefined;
}

/** A request whose signature fits. */
export interface VerifiedWebhook<Payload = unknown> {
  /** The id of the delivery: the same over all attempts. Ignore a request whose id you have handled. */
  readonly id: string;
  /** When the request was signed. */
  readonly timestamp: Date;
  /** The body, parsed. Its shape is not checked. */
  readonly payload: Payload;
  /** What the body says about the event. Undefined if it has none of the known forms. */
  readonly event?: ReceivedEvent;
}

/** Verifies requests. Its functions can be taken apart and passed on. */
export interface WebhookVerifier {
  /**
   * Verifies a request by its headers and its raw body.
   *
   * @returns The request. Rejects when it cannot be trusted.
   * @throws WebhookVerificationError When it cannot be trusted, or when its body is no JSON; `reason` says why.
   * @throws TypeError When the body was parsed already: a mistake in the receiver.
   */
  readonly verify: <Payload = unknown>(
    headers: WebhookHeaders,
    body: WebhookBody,
  ) => Promise<VerifiedWebhook<Payload>>;
  /**
   * Verifies a `Request` of fetch, whose body it reads.
   *
   * @throws WebhookVerificationError As `verify` does.
   * @throws TypeError When the body was read already.
   */
  readonly verifyRequest: <Payload = unknown>(request: {
    readonly headers: WebhookHeaders;
    arrayBuffer(): Promise<ArrayBuffer>;
  }) => Promise<VerifiedWebhook<Payload>>;
}

/**
 * Makes a verifier of requests that are signed as Standard Webhooks says, by Busbar or any other sender. It needs
 * nothing but WebCrypto: Node, Deno, Bun, and workers have it.
 *
 * A request that was recorded can be sent again within the tolerance, and senders repeat what was not answered. So
 * remember the `id` of what you have handled, for a few days.
 *
 * @throws TypeError When there is nothing to trust, or a secret or a key is malformed.
 *
 * @example
 * ```ts
 * const { verifyRequest } = createVerifier({ secrets: secret });
 *
 * export async function POST(request: Request): Promise<Response> {
 *   const { id, event } = await verifyRequest(request);
 *   console.log(id, event?.name, event?.data);
 *   return new Response(null, { status: 204 });
 * }
 * ```
 */
export function createVerifier(options: VerifierOptions): WebhookVerifier {
  const { toleranceMs = 300_000, now = () => Date.now() } = options;
  if (typeof toleranceMs !== "number" || !(toleranceMs >= 0)) {
    throw new TypeError("createVerifier(): toleranceMs must be a number from 0 on");
  }
  const { secrets, keys, remote } = trustOf(options, now);

  async function verify<Payload>(
    headers: WebhookHeaders,
    body: WebhookBody,
  ): Promise<VerifiedWebhook<Payload>> {
    const id = requiredHeader(headers, "webhook-id");
    const seconds = requiredHeader(headers, "webhook-timestamp");
    const signatures = requiredHeader(headers, "webhook-signature").split(/ +/);
    const timestamp = checkTime(seconds, now(), toleranceMs);
    const head = new TextEncoder().encode(`${id}.${seconds}.`);
    const content = concatenated(head, bytesOf(body));
    const [v1, v1a] = [ofKind(signatures, "v1"), ofKind(signatures, "v1a")];
    if (!(await fitsSecret(content, v1)) && !(await fitsPublicKey(content, v1a))) {
      throw new WebhookVerificationError(
        "no-matching-signature",
        `No signature fits the request: it has ${v1.length} of v1, which need secrets, and ${v1a.length} of v1a, which need public keys`,
      );
    }
    const payload = parseJson(content.subarray(head.length));
    const event = receivedEvent(payload);
    return { id, timestamp, payload: payload as Payload, ...(event && { event }) };
  }

  async function fitsSecret(
    content: Uint8Array<ArrayBuffer>,
    signatures: readonly string[],
  ): Promise<boolean> {
    if (signatures.length === 0) return false;
    for (const secret of secrets) {
      if (includesText(signatures, encodeBase64(await macOf(secret, content)))) return true;
    }
    return false;
  }

  async function fitsPublicKey(
    content: Uint8Array<ArrayBuffer>,
    signatures: readonly string[],
  ): Promise<boolean> {
    const decoded = signatures
      .map(decodeBase64)
      .filter((bytes) => bytes !== undefined)
      .filter(({ length }) => length === SIGNATURE_BYTES);
    if (decoded.length === 0) return false;
    if (await isSignedBy(await Promise.all(keys.map((key) => key())), content, decoded))
      return true;
    if (remote === undefined) return false;
    const current = await remote.current();
    if (await isSignedBy(current, content, decoded)) return true;
    const renewed = await remote.renewed(current);
    return renewed !== undefined && isSignedBy(renewed, content, decoded);
  }

  return {
    verify,
    verifyRequest: async (request) => verify(request.headers, await request.arrayBuffer()),
  };
}

/**
 * Verifies the header `x-magento-signature` of Mage-OS Async Events, and of subscriptions that send it as well. It signs
 * the body only, so a recorded request can be sent again at any time: prefer {@link createVerifier}.
 *
 * @param secrets The verification token. While it is changed, give both.
 * @returns The body, parsed.
 * @throws WebhookVerificationError `missing-header`, `no-matching-signature` or `bad-json`.
 * @throws TypeError When a secret is no text, or the body was parsed already.
 */
export async function verifyMagentoSignature<Payload = unknown>(
  headers: WebhookHeaders,
  body: WebhookBody,
  secrets: string | readonly string[],
): Promise<Payload> {
  const signature = requiredHeader(headers, "x-magento-signature");
  const content = concatenated(new Uint8Array(), bytesOf(body));
  for (const secret of listOf(secrets)) {
    if (typeof secret !== "string" || secret === "") {
      throw new TypeError("verifyMagentoSignature(): a secret must be text that is not empty");
    }
    const mac = await macOf(() => importSecret(new TextEncoder().encode(secret)), content);
    if (includesText([signature], hexOf(mac))) return parseJson(content) as Payload;
  }
  const message = "The signature of the request fits neither its body nor a secret";
  throw new WebhookVerificationError("no-matching-signature", message);
}

/** A key that is read when it is needed for the first time. */
type LazyKey = () => Promise<Key>;

interface Trust {
  readonly secrets: readonly LazyKey[];
  readonly keys: readonly LazyKey[];
  readonly remote: RemoteKeys | undefined;
}

function trustOf({ secrets, publicKeys, jwks, fetch }: VerifierOptions, now: () => number): Trust {
  const shared = listOf(secrets).map(secretBytes);
  const isUrl = typeof jwks === "string" || (typeof jwks === "object" && "href" in jwks);
  const set = jwks === undefined || isUrl ? [] : bytesOfSet(jwks);
  if (set === undefined) throw new TypeError("createVerifier(): jwks must be a key set or a URL");
  const keys = [...listOf(publicKeys).map(publicKeyBytes), ...set];
  if (shared.length === 0 && keys.length === 0 && !isUrl) {
    throw new TypeError("createVerifier() needs a secret, a public key, or a key set");
  }
  return {
    secrets: shared.map((bytes) => lazy(() => importSecret(bytes))),
    keys: keys.map((bytes) => lazy(() => importPublicKey(bytes))),
    remote: isUrl
      ? new RemoteKeys(
          checkedUrl(String(jwks)),
          fetch ?? ((url, init) => globalThis.fetch(url, init)),
          now,
        )
      : undefined,
  };
}

/** Keys that travel openly could be anybody's. */
function checkedUrl(text: string): string {
  const { protocol, hostname } = new URL(text);
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  if (protocol === "https:" || (protocol === "http:" && isLocal)) return text;
  throw new TypeError("createVerifier(): the URL of jwks must be https");
}

function lazy(read: LazyKey): LazyKey {
  let key: Promise<Key> | undefined;
  return () => (key ??= read());
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

/** The time of a request, if it is near enough. */
function checkTime(text: string, now: number, toleranceMs: number): Date {
  if (!/^\d{1,12}$/.test(text)) {
    const message = "The header webhook-timestamp must be a number of seconds";
    throw new WebhookVerificationError("bad-timestamp", message);
  }
  const time = Number(text) * 1_000;
  const ageMs = now - time;
  if (Math.abs(ageMs) <= toleranceMs) return new Date(time);
  const [reason, words] = ageMs > 0 ? (["too-old", "old"] as const) : (["too-new", "new"] as const);
  const message = `The request is too ${words}: its time differs by ${Math.round(Math.abs(ageMs) / 1_000)} s`;
  throw new WebhookVerificationError(reason, message);
}

/** What the signatures of a kind say, without their prefix. */
function ofKind(signatures: readonly string[], kind: "v1" | "v1a"): readonly string[] {
  const prefix = `${kind},`;
  return signatures
    .filter((each) => each.startsWith(prefix))
    .slice(0, MAX_SIGNATURES)
    .map((each) => each.slice(prefix.length));
}

async function isSignedBy(
  keys: readonly Key[],
  content: Uint8Array<ArrayBuffer>,
  signatures: readonly Uint8Array<ArrayBuffer>[],
): Promise<boolean> {
  for (const key of keys) {
    for (const signature of signatures) {
      if (await crypto.subtle.verify("Ed25519", key, signature, content)) return true;
    }
  }
  return false;
}

async function macOf(secret: LazyKey, content: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", await secret(), content));
}

/** Whether a text is among others. How long it takes says nothing about how much of a text is right. */
function includesText(texts: readonly string[], wanted: string): boolean {
  let found = false;
  for (const text of texts) {
    let difference = text.length ^ wanted.length;
    for (let index = 0; index < wanted.length; index += 1) {
      difference |= text.charCodeAt(index) ^ wanted.charCodeAt(index);
    }
    found = found || difference === 0;
  }
  return found;
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function concatenated(head: Uint8Array, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}
