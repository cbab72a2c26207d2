import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KeyRing } from "../../src/secrets/key-ring.ts";

const place = { subscriptionId: "s1", field: "secrets.1" };
const key = (id: string) => ({ id, key: randomBytes(32).toString("base64") });
const [old, current] = [key("2026-10"), key("2026-11")];
const ring = new KeyRing([current, old]);

/** What a call throws: its code and its message. */
function thrownBy(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message}`;
  }
  return "nothing";
}

describe("KeyRing", () => {
  test("decrypts what it has encrypted, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const wellFormed = text.toWellFormed();
        expect(ring.decrypt(ring.encrypt(wellFormed, place), place)).toBe(wellFormed);
      }),
      { numRuns: 50 },
    );
  });

  test("encrypts with its first key, differently each time, and names the key", () => {
    const encrypted = ring.encrypt("secret", place);

    expect(encrypted).toMatch(/^enc:1:2026-11:[\w-]+$/);
    expect(encrypted.startsWith(ring.prefix)).toBe(true);
    expect(ring.encrypt("secret", place)).not.toBe(encrypted);
  });

  test("notices each bit that was changed, and each place that it was not made for", () => {
    const encrypted = ring.encrypt("secret", place);
    const [head, body] = [encrypted.slice(0, 14), encrypted.slice(14)];
    const bytes = Buffer.from(body, "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const text = head + changed.toString("base64url");
      expect(() => ring.decrypt(text, place)).toThrow(/was changed or moved/);
    }
    for (const other of [
      { ...place, subscriptionId: "s2" },
      { ...place, field: "secrets.2" },
      { subscriptionId: 's1","secrets', field: "1" },
    ]) {
      expect(() => ring.decrypt(encrypted, other)).toThrow(/was changed or moved/);
    }
  });

  test("is not taken in by another key of the same id, or by a key id that was changed", () => {
    const encrypted = ring.encrypt("secret", place);
    const stranger = new KeyRing([key("2026-11")]);

    expect(() => stranger.decrypt(encrypted, place)).toThrow(/not the one that encrypted it/);
    const same = new KeyRing([current, { id: "copy", key: current.key }]);
    expect(() => same.decrypt(encrypted.replace("2026-11", "copy"), place)).toThrow(/changed/);
  });

  test.each(["", "whsec_abc", "enc:1:", "enc:1:2026-11", "enc:1:2026-11:AAAA", "enc:2:a:b"])(
    "says of %j that it is not encrypted",
    (text) => {
      expect(thrownBy(() => ring.decrypt(text, place))).toMatch(
        /^BUSBAR_INVALID_CONFIG Webhooks: subscription "s1", secrets.1 is not encrypted/,
      );
    },
  );

  test("names a key that it does not have, and no secret", () => {
    const encrypted = ring.encrypt("hidden text", place);

    expect(thrownBy(() => new KeyRing([old]).decrypt(encrypted, place))).toBe(
      'BUSBAR_INVALID_CONFIG Webhooks: subscription "s1", secrets.1 needs the encryption key "2026-11", which is not among encryptionKeys: add it behind the first',
    );
  });

  test("encrypts anew what another key has encrypted, so that this key can go", () => {
    const before = new KeyRing([old]).encrypt("secret", place);
    const after = ring.reencrypt(before, place);

    expect(before).toMatch(/^enc:1:2026-10:/);
    expect(after).toMatch(/^enc:1:2026-11:/);
    expect(new KeyRing([current]).decrypt(after, place)).toBe("secret");
    expect(ring.reencrypt(after, place)).toBe(after);
  });

  test("takes a key as base64, base64url, hex and bytes", () => {
    const bytes = Buffer.from("fb".repeat(32), "hex");
    const forms = [
      bytes,
      new Uint8Array(bytes),
      bytes.toString("base64"),
      ` ${bytes.toString("base64")}\n`,
      bytes.toString("base64url"),
      bytes.toString("hex"),
      bytes.toString("hex").toUpperCase(),
    ];
    const encrypted = new KeyRing([{ id: "a", key: bytes }]).encrypt("secret", place);

    for (const form of forms) {
      expect(new KeyRing([{ id: "a", key: form }]).decrypt(encrypted, place)).toBe("secret");
    }
  });

  test("says how to make a key if there is none", () => {
    expect(thrownBy(() => new KeyRing([]))).toMatch(
      /^BUSBAR_INVALID_CONFIG .*encryptionKeys must have a key, .*openssl rand -base64 32/,
    );
  });

  test("says everything that is wrong with keys, how to make one, and none of them", () => {
    const thrown = thrownBy(
      () =>
        new KeyRing([
          { id: "a:b", key: "my password" },
          { id: "a", key: randomBytes(31).toString("base64") },
          { id: "b", key: new Uint8Array(16) },
          old,
          old,
        ]),
    );

    expect(thrown).toContain("encryptionKeys.0.id must be 1 to 64 letters");
    expect(thrown).toContain("encryptionKeys.1.key must be 32 bytes");
    expect(thrown).toContain("encryptionKeys.2.key must be 32 bytes");
    expect(thrown).toContain('encryptionKeys.4.id must not be "2026-10" again');
    expect(thrown).toContain("openssl rand -base64 32");
    expect(thrown).not.toContain("my password");
  });
});
