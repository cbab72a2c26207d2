import { decodeBase64 } from "./base64.ts";

/** A key of WebCrypto. */
export type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** A public key of a key set (RFC 8037). Keys of other kinds are ignored. */
export interface WebKey {
  /** The kind of key: `OKP`. */
  readonly kty?: string | undefined;
  /** The curve: `Ed25519`. */
  readonly crv?: string | undefined;
  /** The public key, in base64url. */
  readonly x?: string | undefined;
}

/** A JSON Web Key Set, as the sender publishes it. */
export interface WebKeySet {
  /** The keys, in any order. */
  readonly keys: readonly WebKey[];
}

const PUBLIC_KEY_BYTES = 32;

/**
 * The bytes of a shared secret: base64 after `whsec_`, or else the UTF-8 of the text.
 *
 * @throws TypeError When it is no shared secret. The message does not quote it.
 */
export function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  if (typeof secret !== "string" || secret === "") {
    throw new TypeError("createVerifier(): a secret must be text that is not empty");
  }
  if (/^wh[sp]k_/.test(secret)) {
    throw new TypeError(
      "createVerifier(): secrets must be shared secrets: give public keys, whpk_…, as publicKeys, and private keys, whsk_…, to no receiver",
    );
  }
  if (!secret.startsWith("whsec_")) return new TextEncoder().encode(secret);
  const bytes = decodeBase64(secret.slice("whsec_".length));
  if (bytes !== undefined && bytes.length > 0) return bytes;
  throw new TypeError("createVerifier(): a secret must be base64 after whsec_");
}

/**
 * The bytes of a public key.
 *
 * @throws TypeError When it is no `whpk_…`. The message does not quote it.
 */
export function publicKeyBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes =
    typeof text === "string" && text.startsWith("whpk_")
      ? decodeBase64(text.slice("whpk_".length))
      : undefined;
  if (bytes?.length === PUBLIC_KEY_BYTES) return bytes;
  throw new TypeError("createVerifier(): a public key must be whpk_ and 32 bytes in base64");
}

/** The bytes of the Ed25519 keys of a set. Undefined if it is no set. */
export function bytesOfSet(set: unknown): readonly Uint8Array<ArrayBuffer>[] | undefined {
  const keys = (set as WebKeySet | null)?.keys;
  if (!Array.isArray(keys)) return undefined;
  return keys.flatMap((key: WebKey | null) => {
    if (key?.kty !== "OKP" || key.crv !== "Ed25519" || typeof key.x !== "string") return [];
    const bytes = decodeBase64(key.x.replaceAll("-", "+").replaceAll("_", "/"));
    return bytes?.length === PUBLIC_KEY_BYTES ? [bytes] : [];
  });
}

/** Reads a shared secret for signing. */
export function importSecret(bytes: Uint8Array<ArrayBuffer>): Promise<Key> {
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** Reads a public key for verifying. */
export function importPublicKey(bytes: Uint8Array<ArrayBuffer>): Promise<Key> {
  return crypto.subtle.importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]);
}
