import { createHmac, webcrypto } from "node:crypto";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { newSecret, secretFrom } from "../../src/secrets/secret-text.ts";
import { magentoSignature, Signer } from "../../src/signing/signer.ts";
import {
  createVerifier,
  verifyMagentoSignature,
  WebhookVerificationError,
} from "../../src/verify.ts";

const signer = new Signer();
const now = 1_800_000_000_000;
const id = "0198d2a1-7c7e-7000-8000-000000000001";
const text =
  '{"type":"order.placed","timestamp":"2026-11-30T12:00:00.000Z","data":{"total":42,"ö":"ü"}}';
const body = Buffer.from(text);
const shared = secretFrom(newSecret(), new Date(0));
const pair = secretFrom(newSecret("v1a"), new Date(0));
const publicKey = pair.publicKey ?? "";
const verifier = createVerifier({
  secrets: shared.value,
  publicKeys: publicKey,
  now: () => now,
});

function signed(secrets = [shared], request: { timestamp?: Date; body?: Uint8Array } = {}) {
  return signer.headers({ id, timestamp: new Date(now), body, secrets, ...request });
}

/** Why a request is refused. */
async function reasonOf(verified: Promise<unknown>): Promise<string> {
  const error: unknown = await verified.then(
    () => "it was trusted",
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof WebhookVerificationError)) throw error;
  expect(error.name).toBe("WebhookVerificationError");
  return error.reason;
}

describe("verify", () => {
  test.each([
    ["v1", [shared]],
    ["v1a", [pair]],
    ["both", [pair, shared]],
  ])("trusts what is signed with %s", async (_, secrets) => {
    expect(await verifier.verify(signed(secrets), body)).toEqual({
      id,
      timestamp: new Date(now),
      payload: JSON.parse(text),
      event: {
        name: "order.placed",
        id: null,
        scope: null,
        occurredAt: new Date("2026-11-30T12:00:00Z"),
        data: { total: 42, ö: "ü" },
      },
    });
  });

  test("trusts what the published standardwebhooks has signed", async () => {
    const signature = new Webhook(shared.value).sign(id, new Date(now), text);
    const headers = {
      "webhook-id": id,
      "webhook-timestamp": String(now / 1_000),
      "webhook-signature": signature,
    };

    expect(await verifier.verify(headers, text)).toMatchObject({ id });
  });

  test("trusts what WebCrypto has signed with the private key", async () => {
    const seed = Buffer.from(pair.value.slice("whsk_".length), "base64").subarray(0, 32);
    const jwk = {
      kty: "OKP",
      crv: "Ed25519",
      d: seed.toString("base64url"),
      x: Buffer.from(publicKey.slice("whpk_".length), "base64").toString("base64url"),
    };
    const key = await webcrypto.subtle.importKey("jwk", jwk, "Ed25519", false, ["sign"]);
    const content = Buffer.from(`${id}.${now / 1_000}.${text}`);
    const signature = Buffer.from(await webcrypto.subtle.sign("Ed25519", key, content));
    const headers = { ...signed(), "webhook-signature": `v1a,${signature.toString("base64")}` };

    expect(headers["webhook-signature"]).toBe(signed([pair])["webhook-signature"]);
    expect(await verifier.verify(headers, body)).toMatchObject({ id });
  });

  test("takes a secret without a prefix by its bytes", async () => {
    const secret = { ...shared, value: "Schlüssel, wie ihn Mage-OS hat" };
    const { verify } = createVerifier({ secrets: secret.value, now: () => now });

    expect(await verify(signed([secret]), body)).toMatchObject({ id });
  });

  test("trusts any of its secrets, and any of the signatures", async () => {
    const [old, stranger] = [
      secretFrom(newSecret(), new Date(0)),
      secretFrom(newSecret(), new Date(0)),
    ];
    const { verify } = createVerifier({ secrets: [shared.value, old.value], now: () => now });

    expect(await verify(signed([stranger, pair, old]), body)).toMatchObject({ id });
  });

  test("finds headers wherever they are", async () => {
    const headers = signed();
    const upper = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    );
    const lists = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, [value]]),
    );
    const forms = [
      new Headers(headers),
      new Map(Object.entries(headers)),
      Object.entries(headers),
      { get: (name: string) => new Headers(headers).get(name) },
      upper,
      lists,
      { ...headers, accept: undefined, "set-cookie": ["a", "b"] },
      Object.assign(Object.create(null) as Record<string, string>, headers),
    ];

    for (const form of forms) {
      expect(await verifier.verify(form as Headers, body)).toMatchObject({ id });
    }
  });

  test("takes the body as text, as bytes of any kind and realm, and as a request", async () => {
    const bytes = new Uint8Array([1, ...body, 2]);
    const part = bytes.subarray(1, -1);
    const foreign = runInNewContext("Uint8Array.from(bytes)", { bytes: body }) as Uint8Array;
    const forms = [
      text,
      body,
      part,
      part.slice().buffer,
      new DataView(bytes.buffer, 1, body.length),
      foreign,
      foreign.buffer as ArrayBuffer,
    ];
    for (const form of forms) expect(await verifier.verify(signed(), form)).toMatchObject({ id });

    const request = new Request("https://example.org", {
      method: "POST",
      body,
      headers: signed(),
    });
    expect(await verifier.verifyRequest(request)).toMatchObject({ id });
    await expect(verifier.verifyRequest(request)).rejects.toThrow(TypeError);
  });

  test("says that a body was parsed already", async () => {
    await expect(verifier.verify(signed(), JSON.parse(text))).rejects.toThrow(
      /must be the text or the bytes that were received/,
    );
  });

  test("says which header is missing", async () => {
    for (const name of Object.keys(signed())) {
      for (const value of [undefined, "", " "]) {
        const verified = verifier.verify({ ...signed(), [name]: value }, body);
        expect(await reasonOf(verified)).toBe("missing-header");
        await expect(verified).rejects.toThrow(name);
      }
    }
  });

  test("trusts a request within five minutes, and says how far away others are", async () => {
    const at = (seconds: number) =>
      signed([shared], { timestamp: new Date(now + seconds * 1_000) });

    expect(await verifier.verify(at(300), body)).toMatchObject({ id });
    expect(await verifier.verify(at(-300), body)).toMatchObject({ id });
    expect(await reasonOf(verifier.verify(at(301), body))).toBe("too-new");
    expect(await reasonOf(verifier.verify(at(-301), body))).toBe("too-old");
    await expect(verifier.verify(at(-301), body)).rejects.toThrow("differs by 301 s");
    const strict = createVerifier({ secrets: shared.value, now: () => now, toleranceMs: 0 });
    expect(await reasonOf(strict.verify(at(-1), body))).toBe("too-old");
  });

  test.each(["1e9", "0x10", "-1", "+1", "1.5", "NaN", "soon", "9".repeat(13), "1 2", "١٢"])(
    "refuses the time %j",
    async (seconds) => {
      const headers = { ...signed(), "webhook-timestamp": seconds };
      expect(await reasonOf(verifier.verify(headers, body))).toBe("bad-timestamp");
    },
  );

  test("refuses what is signed with other keys, or with keys of the other kind", async () => {
    const onlyShared = createVerifier({ secrets: shared.value, now: () => now });
    const onlyPublic = createVerifier({ publicKeys: publicKey, now: () => now });
    const reasons = [
      onlyShared.verify(signed([pair]), body),
      onlyPublic.verify(signed([shared]), body),
      // The public key is known to everybody: nobody may sign with it as if it were shared.
      onlyPublic.verify(signed([{ ...shared, value: publicKey.slice("whpk_".length) }]), body),
      verifier.verify(signed([secretFrom(newSecret("v1a"), new Date(0))]), body),
    ];

    expect(new Set(await Promise.all(reasons.map(reasonOf)))).toEqual(
      new Set(["no-matching-signature"]),
    );
    await expect(onlyShared.verify(signed([pair]), body)).rejects.toThrow("it has 0 of v1, which");
  });

  test("says that a trusted body is no JSON", async () => {
    for (const bytes of [Buffer.from("{"), Buffer.from([0x22, 0xff, 0x22]), Buffer.alloc(0)]) {
      const verified = verifier.verify(signed([shared], { body: bytes }), bytes);
      expect(await reasonOf(verified)).toBe("bad-json");
    }
  });

  test.each(["webhook-id", "webhook-timestamp", "webhook-signature", "body"] as const)(
    "refuses each bit of %s that was flipped",
    async (part) => {
      for (const secrets of [[shared], [pair]]) {
        const headers = signed(secrets);
        const original = part === "body" ? body : Buffer.from(headers[part]);
        const bits = fc.integer({ min: 0, max: original.length * 8 - 1 });
        await fc.assert(
          fc.asyncProperty(bits, async (bit) => {
            const changed = Buffer.from(original);
            changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
            const verified =
              part === "body"
                ? verifier.verify(headers, changed)
                : verifier.verify({ ...headers, [part]: changed.toString("latin1") }, body);
            expect(await reasonOf(verified)).not.toBe("bad-json");
          }),
          { numRuns: 100 },
        );
      }
    },
  );

  test("refuses each other text of a signature that means the same bytes", async () => {
    for (const secrets of [[shared], [pair]]) {
      const headers = signed(secrets);
      const signature = headers["webhook-signature"];
      const last = signature.replace(/=+$/, "").length - 1;
      for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=") {
        if (letter === signature[last]) continue;
        const changed = signature.slice(0, last) + letter + signature.slice(last + 1);
        const verified = verifier.verify({ ...headers, "webhook-signature": changed }, body);
        expect(await reasonOf(verified)).toBe("no-matching-signature");
      }
    }
  });

  test("never throws anything but its error for whatever is in the headers", async () => {
    const names = fc.constantFrom(...Object.keys(signed()), "content-type");
    const values = fc.oneof(
      fc.constantFrom(...Object.values(signed([shared, pair]))),
      fc.string({ unit: "binary" }),
      fc.constantFrom("v1,", "v1a,", "v1a,AAAA", " v1", "v1,\u{1F600}", "1800000000"),
      fc.anything(),
      fc.array(fc.anything()),
    );
    const junk = fc.oneof(
      fc.dictionary(names, values),
      fc.array(fc.tuple(names, values)),
      fc.anything(),
    );
    await fc.assert(
      fc.asyncProperty(junk, fc.string(), async (headers, anyBody) => {
        await reasonOf(verifier.verify(headers as Headers, anyBody));
      }),
      { numRuns: 300 },
    );
  });
});

describe("createVerifier", () => {
  test.each([
    [{}, "needs a secret, a public key, or a key set"],
    [{ secrets: [] }, "needs a secret, a public key, or a key set"],
    [{ secrets: "" }, "a secret must be text that is not empty"],
    [{ secrets: [undefined as unknown as string] }, "a secret must be text that is not empty"],
    [{ secrets: "whsec_" }, "a secret must be base64 after whsec_"],
    [{ secrets: "whsec_*" }, "a secret must be base64 after whsec_"],
    [{ secrets: publicKey }, "give public keys, whpk_…, as publicKeys"],
    [{ secrets: pair.value }, "private keys, whsk_…, to no receiver"],
    [{ publicKeys: shared.value }, "a public key must be whpk_ and 32 bytes in base64"],
    [{ publicKeys: "whpk_AAAA" }, "a public key must be whpk_ and 32 bytes in base64"],
    [{ secrets: shared.value, toleranceMs: -1 }, "toleranceMs must be a number from 0 on"],
    [{ secrets: shared.value, toleranceMs: Number.NaN }, "toleranceMs must be a number from 0 on"],
    [{ jwks: "http://example.org/jwks" }, "the URL of jwks must be https"],
    [{ jwks: {} as { keys: [] } }, "jwks must be a key set or a URL"],
  ])("says what is wrong, and no secret: case %#", (options, message) => {
    const create = () => createVerifier(options);

    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
    for (const { value } of [shared, pair]) expect(create).not.toThrow(value);
  });
});

describe("verifyMagentoSignature", () => {
  const token = { value: "whsec_ is any text, as Mage-OS has it" };
  const headers = { "X-Magento-Signature": magentoSignature(body, token) };

  test("trusts what is signed with any of its tokens", async () => {
    expect(await verifyMagentoSignature(headers, body, token.value)).toEqual(JSON.parse(text));
    expect(await verifyMagentoSignature(headers, text, ["new", token.value])).toEqual(
      JSON.parse(text),
    );
  });

  test("refuses other bodies, tokens and signatures", async () => {
    const signature = headers["X-Magento-Signature"];
    const cases = [
      verifyMagentoSignature(headers, `${text} `, token.value),
      verifyMagentoSignature(headers, body, "another"),
      verifyMagentoSignature({ "x-magento-signature": signature.toUpperCase() }, body, token.value),
      verifyMagentoSignature(
        { "x-magento-signature": createHmac("sha256", "").update(body).digest("hex") },
        body,
        token.value,
      ),
    ];
    expect(new Set(await Promise.all(cases.map(reasonOf)))).toEqual(
      new Set(["no-matching-signature"]),
    );
    expect(await reasonOf(verifyMagentoSignature({}, body, "a"))).toBe("missing-header");
    await expect(verifyMagentoSignature(headers, body, "")).rejects.toThrow(TypeError);
  });
});
