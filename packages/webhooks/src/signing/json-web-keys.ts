import { createHash } from "node:crypto";
import type { SecretInfo } from "../contract/subscription.ts";
import { PREFIXES } from "../secrets/secret-text.ts";

/** A public key as a JSON Web Key (RFC 8037). */
export interface Ed25519WebKey {
  /** The kind of key. */
  readonly kty: "OKP";
  /** The curve. */
  readonly crv: "Ed25519";
  /** The public key, in base64url. */
  readonly x: string;
  /** The thumbprint of the key (RFC 7638): the same key always has the same. */
  readonly kid: string;
  /** What the key is for. */
  readonly use: "sig";
  /** How it is used. */
  readonly alg: "EdDSA";
}

/** What the endpoint for public keys answers. */
export interface JsonWebKeySet {
  /** The keys, newest first. */
  readonly keys: readonly Ed25519WebKey[];
}

/**
 * Makes the JSON Web Key Set by which receivers verify `v1a` signatures: the public keys of the secrets that are active.
 * Shared secrets have none, and are left out.
 *
 * Whoever holds the set trusts all of its keys. So a receiver must get the keys of its own subscriptions only:
 * otherwise it would accept what was signed for another receiver.
 *
 * @param now The present time: expired secrets are left out.
 */
export function jsonWebKeySet(secrets: Iterable<SecretInfo>, now: Date): JsonWebKeySet {
  const keys = new Map<string, Ed25519WebKey>();
  for (const { publicKey, expiresAt } of secrets) {
    if (publicKey === null || (expiresAt !== null && expiresAt <= now)) continue;
    if (!keys.has(publicKey)) keys.set(publicKey, webKeyOf(publicKey));
  }
  return { keys: [...keys.values()] };
}

function webKeyOf(publicKey: string): Ed25519WebKey {
  const bytes = Buffer.from(publicKey.slice(PREFIXES.publicKey.length), "base64");
  const x = bytes.toString("base64url");
  // RFC 7638: the members that make the key, in this order.
  const members = JSON.stringify({ crv: "Ed25519", kty: "OKP", x });
  const kid = createHash("sha256").update(members).digest("base64url");
  return { kty: "OKP", crv: "Ed25519", x, kid, use: "sig", alg: "EdDSA" };
}
