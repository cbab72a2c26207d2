import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { newSecret, secretFrom } from "../../src/secrets/secret-text.ts";
import { magentoSignature, Signer } from "../../src/signing/signer.ts";

const secretOf = (value: string) => secretFrom(value, new Date(0));

/** The examples of the specification, and of the senders that it comes from. */
const examples = [
  {
    title: "v1",
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    seconds: 1_614_265_330,
    body: '{"test": 2432232314}',
    signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  },
  {
    title: "v1 of another body",
    secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
    seconds: 1_649_367_553,
    body: '{"email":"test@example.com","username":"test_user"}',
    signature: "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
  },
  {
    title: "v1a",
    secret:
      "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    seconds: 1_614_265_330,
    body: '{"test": 2432232314}',
    signature:
      "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
  },
];

describe("Signer", () => {
  test.each(examples)("signs the example of $title", ({ secret, id, seconds, body, signature }) => {
    const request = {
      id,
      timestamp: new Date(seconds * 1_000 + 999),
      body: Buffer.from(body),
      secrets: [secretOf(secret)],
    };

    expect(new Signer().headers(request)).toEqual({
      "webhook-id": id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": signature,
    });
  });

  test("signs with each secret, in their order", () => {
    const signer = new Signer();
    const secrets = ["v1a", "v1"].map((type) => secretOf(newSecret(type as "v1")));
    const request = { id: "id", timestamp: new Date(1_000), body: Buffer.from("{}") };
    const each = secrets.map((secret) => signer.sign({ ...request, secrets: [secret] }));

    expect(signer.sign({ ...request, secrets })).toBe(each.join(" "));
    expect(each.map((signature) => signature.split(",")[0])).toEqual(["v1a", "v1"]);
  });

  test("signs for the published standardwebhooks, whatever the body", () => {
    const signer = new Signer();
    const shared = newSecret();
    const text = "any text, as of Mage-OS";
    const timestamp = new Date();
    const secrets = [secretOf(newSecret("v1a")), secretOf(text), secretOf(shared)];
    const webhooks = [new Webhook(shared), new Webhook(text, { format: "raw" })];

    fc.assert(
      fc.property(fc.jsonValue(), fc.uuid(), (value, id) => {
        const body = Buffer.from(JSON.stringify(value));
        const headers = signer.headers({ id, timestamp, body, secrets });
        for (const webhook of webhooks) webhook.verify(body, headers);
      }),
      { numRuns: 50 },
    );
  });

  test("makes no signature for an attempt without secrets", () => {
    const attempt = { id: "id", timestamp: new Date(1_999) };
    const names = { "webhook-id": "id", "webhook-timestamp": "1" };
    const secrets = [secretOf(newSecret())];
    const body = Buffer.from("{}");
    const signer = new Signer();

    expect(signer.forAttempt({ ...attempt, secrets: [] })(body)).toEqual(names);
    expect(signer.forAttempt({ ...attempt, secrets })(body)).toEqual({
      ...names,
      "webhook-signature": signer.sign({ ...attempt, secrets, body }),
    });
  });

  test("reads a secret again after its key made room for others", () => {
    const signer = new Signer(1);
    const secrets = [secretOf(newSecret()), secretOf(newSecret("v1a"))];
    const request = { id: "id", timestamp: new Date(0), body: Buffer.from("{}"), secrets };

    expect(signer.sign(request)).toBe(signer.sign(request));
  });

  test.each(["", "a.1"])("refuses the id %j, as what is signed could be read in two ways", (id) => {
    const request = { id, timestamp: new Date(0), body: Buffer.from("{}"), secrets: [] };

    expect(() => new Signer().sign(request)).toThrow(TypeError);
  });
});

describe("magentoSignature", () => {
  test("signs the body with the token as it is, as hash_hmac of PHP does", () => {
    // printf '{"data":1}' | openssl dgst -sha256 -hmac whsec_token
    expect(magentoSignature(Buffer.from('{"data":1}'), { value: "whsec_token" })).toBe(
      "f93b72297d9559b4d02fd2a90e19c678567ad590867690367d69104f477207e4",
    );
  });

  test.each([
    ["no text", ""],
    ["a private key", newSecret("v1a")],
  ])("refuses %s, which no receiver shares", (_, value) => {
    expect(() => magentoSignature(Buffer.from("{}"), { value })).toThrow(/shares/);
  });
});
