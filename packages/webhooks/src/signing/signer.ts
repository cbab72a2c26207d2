import { createHmac, createSecretKey, type KeyObject, sign as signWith } from "node:crypto";
import type { Secret } from "../contract/subscription.ts";
import { parseSecret, PREFIXES } from "../secrets/secret-text.ts";

const MAX_KEYS = 10_000;
/** Why there is no `x-magento-signature` with a private key, or without a secret. */
export const NEEDS_SHARED_SECRET =
  "x-magento-signature needs a secret that the receiver shares, not whsk_…";

/** What is signed, and with which secrets. */
export interface SignRequest {
  /** The id of the delivery: the same over all attempts, without a dot. */
  readonly id: string;
  /** When the attempt began. Signed in whole seconds. */
  readonly timestamp: Date;
  /** Exactly the bytes that are sent. */
  readonly body: Uint8Array;
  /** Each makes one signature, in this order. */
  readonly secrets: readonly Pick<Secret, "value">[];
}

/** What a request says of its attempt in its headers, whether it is signed or not. */
export interface AttemptHeaders extends Record<string, string> {
  /** The id of the delivery. */
  readonly "webhook-id": string;
  /** When the attempt began, in seconds since the epoch. */
  readonly "webhook-timestamp": string;
}

/** What a signed request says in its headers. */
export interface SignatureHeaders extends AttemptHeaders {
  /** A signature for each secret, with spaces between them. */
  readonly "webhook-signature": string;
}

/** Makes the headers that a request has without a signature. */
export function attemptHeaders({
  id,
  timestamp,
}: Pick<SignRequest, "id" | "timestamp">): AttemptHeaders {
  return { "webhook-id": id, "webhook-timestamp": secondsOf(timestamp) };
}

/**
 * Signs deliveries as Standard Webhooks says: `v1` with HMAC-SHA256, `v1a` with Ed25519. Keeps the keys that it
 * has read, up to a limit, as reading a key takes longer than signing with it.
 */
export class Signer {
  readonly #keys = new Map<string, SigningKey>();
  readonly #maxKeys: number;

  /** @param maxKeys Keys that are kept, by default 10 000. */
  constructor(maxKeys: number = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  /**
   * Signs a body.
   *
   * @returns The value of `webhook-signature`: `v1,<base64>` or `v1a,<base64>` for each secret, with spaces between.
   * @throws TypeError When a secret is malformed, or the id has a dot: then id and timestamp could be read in two ways.
   */
  sign({ id, timestamp, body, secrets }: SignRequest): string {
    const head = `${checkedId(id)}.${secondsOf(timestamp)}.`;
    let signatures = "";
    for (const { value } of secrets) {
      const { type, key } = this.#keyOf(value);
      if (signatures !== "") signatures += " ";
      signatures += type === "v1" ? signShared(key, head, body) : signPrivate(key, head, body);
    }
    return signatures;
  }

  /**
   * Signs a body, and returns the three headers of Standard Webhooks.
   *
   * @throws TypeError As {@link sign} does.
   */
  headers(request: SignRequest): SignatureHeaders {
    return { ...attemptHeaders(request), "webhook-signature": this.sign(request) };
  }

  /** Returns what signs bodies of one attempt, for its notifier. Without secrets, it makes no signature. */
  forAttempt(attempt: Omit<SignRequest, "body">): (body: Uint8Array) => AttemptHeaders {
    return (body) =>
      attempt.secrets.length === 0 ? attemptHeaders(attempt) : this.headers({ ...attempt, body });
  }

  #keyOf(secret: string): SigningKey {
    const known = this.#keys.get(secret);
    if (known !== undefined) return known;
    const { type, key } = parseSecret(secret);
    const signingKey = { type, key: type === "v1" ? createSecretKey(key) : key };
    if (this.#keys.size >= this.#maxKeys) {
      const [oldest] = this.#keys.keys();
      if (oldest !== undefined) this.#keys.delete(oldest);
    }
    this.#keys.set(secret, signingKey);
    return signingKey;
  }
}

/**
 * Signs a body as Mage-OS does, for the header `x-magento-signature`: HMAC-SHA256 in hexadecimal digits, with the text
 * of the secret as it is. Neither id nor time are signed, so receivers cannot tell a repeat.
 *
 * @throws TypeError When the secret is a private key: a receiver would have to know it.
 */
export function magentoSignature(body: Uint8Array, { value }: Pick<Secret, "value">): string {
  if (value === "" || value.startsWith(PREFIXES.privateKey)) {
    throw new TypeError(NEEDS_SHARED_SECRET);
  }
  return createHmac("sha256", value).update(body).digest("hex");
}

interface SigningKey {
  readonly type: "v1" | "v1a";
  readonly key: KeyObject;
}

function signShared(key: KeyObject, head: string, body: Uint8Array): string {
  return `v1,${createHmac("sha256", key).update(head).update(body).digest("base64")}`;
}

function signPrivate(key: KeyObject, head: string, body: Uint8Array): string {
  return `v1a,${signWith(null, Buffer.concat([Buffer.from(head), body]), key).toString("base64")}`;
}

function checkedId(id: string): string {
  if (id === "" || id.includes(".")) throw new TypeError("The id of a delivery must have no dot");
  return id;
}

function secondsOf(timestamp: Date): string {
  return String(Math.floor(timestamp.getTime() / 1_000));
}
