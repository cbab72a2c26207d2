import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  newSecret,
  parseSecret,
  secretFrom,
  secretProblem,
} from "../../src/secrets/secret-text.ts";

const base64 = (bytes: number) => Buffer.alloc(bytes, 7).toString("base64");

describe("newSecret", () => {
  test("makes 32 random bytes for v1", () => {
    const secret = newSecret();

    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(newSecret()).not.toBe(secret);
    expect(secretFrom(secret, new Date(5))).toEqual({
      id: expect.any(String),
      type: "v1",
      publicKey: null,
      createdAt: new Date(5),
      expiresAt: null,
      value: secret,
    });
  });

  test("makes a key pair for v1a, of which the public key may be shown", () => {
    const secret = secretFrom(newSecret("v1a"), new Date(0));
    const bytes = Buffer.from(secret.value.slice("whsk_".length), "base64");

    expect(secret.type).toBe("v1a");
    expect(bytes).toHaveLength(64);
    expect(secret.publicKey).toBe(`whpk_${bytes.subarray(32).toString("base64")}`);
  });
});

describe("parseSecret", () => {
  test("takes the seed alone for a private key", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const { d = "", x = "" } = privateKey.export({ format: "jwk" });
    const seed = Buffer.from(d, "base64url");
    const parsed = parseSecret(`whsk_${seed.toString("base64")}`);

    expect(parsed.type === "v1a" && parsed.publicKey.toString("base64url")).toBe(x);
    const key = parsed.type === "v1a" ? parsed.key.export({ format: "pem", type: "pkcs8" }) : "";
    expect(createPublicKey(createPrivateKey(key)).export({ format: "jwk" }).x).toBe(x);
  });

  test("takes base64 without padding", () => {
    expect(parseSecret(`whsec_${base64(32).replace("=", "")}`)).toEqual(
      parseSecret(`whsec_${base64(32)}`),
    );
  });

  test("takes any other text by its UTF-8 bytes", () => {
    expect(parseSecret("Schlüssel")).toEqual({ type: "v1", key: Buffer.from("Schlüssel") });
  });
});

describe("secretProblem", () => {
  test.each([
    ["", "must not be empty"],
    [`whsec_${base64(23)}`, "must hold 24 to 64 bytes after whsec_, not 23"],
    [`whsec_${base64(65)}`, "must hold 24 to 64 bytes after whsec_, not 65"],
    ["whsec_", "must hold 24 to 64 bytes after whsec_, not 0"],
    [`whsec_ ${base64(32)}`, "must be base64 after whsec_"],
    [`whsec_${base64(32)}*`, "must be base64 after whsec_"],
    ["whsk_????", "must be base64 after whsk_"],
    [`whsk_${base64(33)}`, "must hold an Ed25519 key of 32 or 64 bytes after whsk_, not 33"],
    [`whsk_${base64(64)}`, "must hold a private key and its own public key after whsk_"],
    [
      `whpk_${base64(32)}`,
      "must be a private key, whsk_…: whpk_… is the public key, which receivers verify with",
    ],
    ["a short text", "must be whsec_…, whsk_…, or a text of at least 24 bytes"],
  ])("says of %j that it %s", (secret, problem) => {
    expect(secretProblem(secret)).toBe(problem);
  });

  test.each([
    ["a shared secret", newSecret()],
    ["a private key", newSecret("v1a")],
    ["a text of 24 bytes", "a text that lasts for 24"],
  ])("finds nothing wrong with %s", (_, secret) => {
    expect(secretProblem(secret)).toBeUndefined();
  });

  test("lets a token of Mage-OS be short", () => {
    expect(secretProblem("supersecret", 1)).toBeUndefined();
  });
});
