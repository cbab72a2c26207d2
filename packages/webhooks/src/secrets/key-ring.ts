import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { BusbarError, type Issue } from "@busbar/core";
import { listed, quoted } from "@busbar/core/provider";

const ALGORITHM = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID = /^[\w.-]{1,64}$/;
/** What encrypted texts begin with: that they are encrypted, and the version of this format. */
const PREFIX = "enc:1:";
const MAKE_A_KEY = "make one with: openssl rand -base64 32";

/** A key that encrypts secrets in the store. */
export interface EncryptionKey {
  /** The name that is stored next to what the key has encrypted: letters, digits, `.`, `_` and `-`, such as `2026-11`. */
  readonly id: string;
  /** 32 random bytes, as they are or as base64, base64url or hex. `openssl rand -base64 32` makes them. */
  readonly key: string | Uint8Array;
}

/** Where an encrypted text is kept. It can be decrypted for no other place. */
export interface SecretPlace {
  /** The subscription that the text belongs to. */
  readonly subscriptionId: string;
  /** The field within the subscription, such as `settings.password`. */
  readonly field: string;
}

/**
 * Encrypts secrets at rest, with AES-256-GCM. The first key encrypts; all keys decrypt. So keys are rotated by putting
 * a new one in front, encrypting again what {@link reencrypt} changes, and taking the old one away.
 *
 * An encrypted text is `enc:1:<key id>:<base64url of nonce, ciphertext and tag>`. It is bound to its place and to the
 * id of its key: moved to another subscription or field, it is not decrypted.
 */
export class KeyRing {
  readonly #keys = new Map<string, KeyObject>();
  readonly #current: string;

  /**
   * @param keys The first encrypts, all decrypt. At least one.
   * @throws BusbarError `BUSBAR_INVALID_CONFIG` when a key is malformed; the message says how to make one.
   */
  constructor(keys: readonly EncryptionKey[]) {
    const issues: Issue[] = [];
    for (const [index, { id, key }] of keys.entries()) {
      const path = `encryptionKeys.${index}`;
      if (typeof id !== "string" || !KEY_ID.test(id)) {
        const reason = "must be 1 to 64 letters, digits, dots, hyphens or underscores";
        issues.push({ path: `${path}.id`, reason });
      } else if (this.#keys.has(id)) {
        issues.push({ path: `${path}.id`, reason: `must not be ${quoted(id)} again` });
      }
      const bytes = keyBytes(key);
      if (bytes === undefined) {
        const reason = `must be ${KEY_BYTES} bytes in base64, base64url or hex: ${MAKE_A_KEY}`;
        issues.push({ path: `${path}.key`, reason });
      } else this.#keys.set(id, createSecretKey(bytes));
    }
    const [first] = keys;
    if (first === undefined) {
      issues.push({
        path: "encryptionKeys",
        reason: `must have a key, or BUSBAR_WEBHOOKS_KEYS must: ${MAKE_A_KEY}`,
      });
    }
    if (issues.length > 0) throw invalidConfig(issues);
    this.#current = first?.id ?? "";
  }

  /** What a text begins with that the first key has encrypted. */
  get prefix(): string {
    return `${PREFIX}${this.#current}:`;
  }

  /** Encrypts a text for its place with the first key. The same text gives another ciphertext each time. */
  encrypt(text: string, place: SecretPlace): string {
    const id = this.#current;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key(id, place), nonce);
    cipher.setAAD(placeBytes(id, place));
    const parts = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
    return `${this.prefix}${Buffer.concat(parts).toString("base64url")}`;
  }

  /**
   * Decrypts what {@link encrypt} has made for the same place.
   *
   * @throws BusbarError `BUSBAR_INVALID_CONFIG` when the ring does not have the key, and names its id; or when the text
   * was changed, moved, or encrypted with another key of that id.
   */
  decrypt(encrypted: string, place: SecretPlace): string {
    const { id, bytes } = parse(encrypted, place);
    const key = this.#key(id, place);
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(placeBytes(id, place));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      return Buffer.concat([text, decipher.final()]).toString("utf8");
    } catch {
      const reason = `cannot be decrypted with key ${quoted(id)}: it was changed or moved, or the key is not the one that encrypted it`;
      throw undecipherable(place, reason);
    }
  }

  /**
   * Encrypts a text with the first key that another key has encrypted. Returns the text itself if there is nothing to
   * do, so that callers can tell by `===`.
   *
   * @throws BusbarError As {@link decrypt} does.
   */
  reencrypt(encrypted: string, place: SecretPlace): string {
    if (encrypted.startsWith(this.prefix)) return encrypted;
    return this.encrypt(this.decrypt(encrypted, place), place);
  }

  #key(id: string, place: SecretPlace): KeyObject {
    const key = this.#keys.get(id);
    if (key !== undefined) return key;
    const reason = `needs the encryption key ${quoted(id)}, which is not among encryptionKeys: add it behind the first`;
    throw undecipherable(place, reason);
  }
}

/** The id of the key that has encrypted a text. Undefined if the text is not encrypted. */
function keyIdOf(text: string): string | undefined {
  return text.startsWith(PREFIX) ? text.split(":", 3)[2] : undefined;
}

/** The bytes of a key. Undefined if there are not 32 of them. */
function keyBytes(key: string | Uint8Array): Uint8Array | undefined {
  if (typeof key !== "string")
    return ArrayBuffer.isView(key) && key.length === KEY_BYTES ? key : undefined;
  const text = key.trim();
  if (/^[\da-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  return /^[\w+/-]{43}=?$/.test(text) ? Buffer.from(text, "base64") : undefined;
}

function parse(encrypted: string, place: SecretPlace): { id: string; bytes: Buffer } {
  const id = keyIdOf(encrypted);
  const bytes = Buffer.from(encrypted.slice(`${PREFIX}${id}:`.length), "base64url");
  if (id === undefined || bytes.length < NONCE_BYTES + TAG_BYTES) {
    throw undecipherable(place, `is not encrypted: it does not have the form ${PREFIX}<key id>:…`);
  }
  return { id, bytes };
}

/** What a ciphertext is bound to. As JSON, so that no two places look the same. */
function placeBytes(keyId: string, { subscriptionId, field }: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify([PREFIX, keyId, subscriptionId, field]));
}

function undecipherable({ subscriptionId, field }: SecretPlace, reason: string): BusbarError {
  return invalidConfig([{ path: `subscription ${quoted(subscriptionId)}, ${field}`, reason }]);
}

function invalidConfig(issues: readonly Issue[]): BusbarError<"BUSBAR_INVALID_CONFIG"> {
  const text = listed(issues.map(({ path, reason }) => `${path} ${reason}`));
  return new BusbarError("BUSBAR_INVALID_CONFIG", `Webhooks: ${text}`, {
    module: "@busbar/webhooks",
    issues,
  });
}
