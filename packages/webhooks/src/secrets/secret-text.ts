import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomUUID,
} from "node:crypto";
import type { Secret, SecretInfo } from "../contract/subscription.ts";

/** The prefixes of Standard Webhooks, by which a text says what kind of secret it is. */
export const PREFIXES = { shared: "whsec_", privateKey: "whsk_", publicKey: "whpk_" } as const;

const MIN_BYTES = 24;
const MAX_BYTES = 64;
const SEED_BYTES = 32;
/** What comes before the seed of an Ed25519 key in PKCS #8 (RFC 8410). */
const PKCS8_HEADER = Buffer.from("302e020100300506032b657004220420", "hex");

/** What a text of a secret means. */
export type ParsedSecret =
  | { readonly type: "v1"; readonly key: Buffer }
  | { readonly type: "v1a"; readonly key: KeyObject; readonly publicKey: Buffer };

/**
 * Makes a secret at random, as text.
 *
 * @param type `v1`: 32 bytes that both sides share. `v1a`: an Ed25519 key pair, of which receivers get the public key.
 * @returns `whsec_…` or `whsk_…`. The latter holds the seed and the public key, 64 bytes, as other senders write it.
 */
export function newSecret(type: SecretInfo["type"] = "v1"): string {
  if (type === "v1") return PREFIXES.shared + randomBytes(32).toString("base64");
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const bytes = Buffer.concat([bytesOf(d), bytesOf(x)]);
  return PREFIXES.privateKey + bytes.toString("base64");
}

/**
 * Makes the newest secret of a subscription from its text.
 *
 * @throws TypeError When the text is no secret: see {@link secretProblem}.
 */
export function secretFrom(value: string, createdAt: Date): Secret {
  const parsed = parseSecret(value);
  const publicKey =
    parsed.type === "v1a" ? PREFIXES.publicKey + parsed.publicKey.toString("base64") : null;
  return { id: randomUUID(), type: parsed.type, publicKey, createdAt, expiresAt: null, value };
}

/**
 * Says why a text cannot be a secret, in words that follow its name: `must …`. Never quotes the text.
 *
 * @param minBytes What a text without a prefix needs at least: such texts come from people and from Mage-OS.
 */
export function secretProblem(value: string, minBytes: number = MIN_BYTES): string | undefined {
  const read = readSecret(value);
  if (typeof read === "string") return read;
  if (Object.values(PREFIXES).some((prefix) => value.startsWith(prefix))) return undefined;
  return Buffer.byteLength(value) < minBytes
    ? `must be whsec_…, whsk_…, or a text of at least ${minBytes} bytes`
    : undefined;
}

/**
 * Reads a secret. A text without a prefix is a `v1` secret whose key is its UTF-8 bytes.
 *
 * @throws TypeError When it is no secret.
 */
export function parseSecret(value: string): ParsedSecret {
  const read = readSecret(value);
  if (typeof read === "string") throw new TypeError(`A secret ${read}`);
  return read;
}

/** The secret, or why there is none. */
function readSecret(value: string): ParsedSecret | string {
  if (value === "") return "must not be empty";
  if (value.startsWith(PREFIXES.publicKey)) {
    return "must be a private key, whsk_…: whpk_… is the public key, which receivers verify with";
  }
  if (value.startsWith(PREFIXES.privateKey)) return readPrivateKey(value);
  if (!value.startsWith(PREFIXES.shared)) return { type: "v1", key: Buffer.from(value) };
  const key = decodeBase64(value.slice(PREFIXES.shared.length));
  if (key === undefined) return "must be base64 after whsec_";
  return key.length < MIN_BYTES || key.length > MAX_BYTES
    ? `must hold ${MIN_BYTES} to ${MAX_BYTES} bytes after whsec_, not ${key.length}`
    : { type: "v1", key };
}

function readPrivateKey(value: string): ParsedSecret | string {
  const bytes = decodeBase64(value.slice(PREFIXES.privateKey.length));
  if (bytes === undefined) return "must be base64 after whsk_";
  if (bytes.length !== SEED_BYTES && bytes.length !== 2 * SEED_BYTES) {
    return `must hold an Ed25519 key of 32 or 64 bytes after whsk_, not ${bytes.length}`;
  }
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_HEADER, bytes.subarray(0, SEED_BYTES)]),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = bytesOf(createPublicKey(key).export({ format: "jwk" }).x);
  return bytes.length > SEED_BYTES && !publicKey.equals(bytes.subarray(SEED_BYTES))
    ? "must hold a private key and its own public key after whsk_"
    : { type: "v1a", key, publicKey };
}

/** The bytes of base64 text, with or without padding. Undefined if the text is anything else. */
function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64").replaceAll("=", "") === text.replace(/={1,2}$/, "")
    ? bytes
    : undefined;
}

/** The bytes of a member of a JSON Web Key. */
function bytesOf(member: string | undefined): Buffer {
  return Buffer.from(member ?? "", "base64url");
}
