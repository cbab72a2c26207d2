import type { JsonObject } from "@busbar/core/provider";
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, test, vi } from "vitest";
import { newSecret } from "../../src/secrets/secret-text.ts";
import type { NotifierResult } from "../../src/contract/notifier.ts";
import { httpNotifier, type HttpNotifierOptions } from "../../src/notifiers/http-notifier.ts";
import type { HttpSettings } from "../../src/notifiers/http-settings.ts";
import { splitSettings } from "../../src/subscriptions/secret-members.ts";
import { magentoSignature } from "../../src/signing/signer.ts";
import {
  notifierRequest,
  type NotifierRequestParts,
  type ReceiverAnswer,
  startReceiver,
} from "../../src/testing.ts";
import { makeCertificates } from "../support/certificates.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closing.splice(0)) await close();
});

function newNotifier(options: HttpNotifierOptions = {}): ReturnType<typeof httpNotifier> {
  const notifier = httpNotifier({ allow: ["127.0.0.0/8"], ...options });
  closing.push(() => notifier.close?.());
  return notifier;
}

/** What the schema makes of settings, or its issues as `path: message`. */
function parse(given: unknown, notifier = newNotifier()): HttpSettings | readonly string[] {
  const result = notifier.settings["~standard"].validate(given);
  if (result instanceof Promise) throw new TypeError("The schema takes time");
  if (!result.issues) return result.value;
  return result.issues.map(({ path = [], message }) => `${path.map(String).join(".")}: ${message}`);
}

function settingsOf(given: object, notifier?: ReturnType<typeof httpNotifier>): HttpSettings {
  const settings = parse(given, notifier);
  if (!("format" in settings)) throw new TypeError(String(settings));
  return settings;
}

function deliver(
  destination: string,
  given: object = {},
  parts: Partial<NotifierRequestParts<HttpSettings>> = {},
  notifier = newNotifier(),
): Promise<NotifierResult> {
  const settings = settingsOf(given, notifier);
  return notifier.deliver(notifierRequest({ destination, settings, ...parts }));
}

describe("a delivery", () => {
  test("is signed with each secret, and verified by the published library", async () => {
    await using receiver = await startReceiver();
    const secrets = [newSecret(), newSecret(), newSecret("v1a")];
    const now = new Date();
    const result = await deliver(
      receiver.url,
      {},
      { secrets, now, delivery: { id: "d-1", sequence: 7 }, event: { data: { ü: "😀" } } },
    );
    expect(result).toMatchObject({ ok: true, status: 200, response: "" });
    const { headers, body } = await receiver.next();
    for (const secret of secrets.slice(0, 2)) {
      const verified = new Webhook(secret).verify(String(body), headers as Record<string, string>);
      expect(verified).toMatchObject({ type: "order.placed", data: { ü: "😀" } });
    }
    expect(headers).toMatchObject({
      "webhook-id": "d-1",
      "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
      "webhook-signature": expect.stringMatching(/^v1,\S+ v1,\S+ v1a,\S+$/) as string,
      "content-type": "application/json",
      "user-agent": "Busbar-Webhooks",
      "busbar-sequence": "7",
    });
    expect(result.requestHeaders?.["webhook-signature"]).toBe(headers["webhook-signature"]);
  });

  test("has the signature of Mage-OS besides, or alone", async () => {
    await using receiver = await startReceiver();
    const [secret] = [newSecret()];
    const secrets = [newSecret("v1a"), secret];
    await deliver(receiver.url, { signatures: ["standard", "magento"] }, { secrets });
    await deliver(receiver.url, { signatures: ["magento"], format: "mageos" }, { secrets });
    const both = await receiver.next();
    const alone = await receiver.next();
    for (const { headers, body } of [both, alone]) {
      expect(headers["x-magento-signature"]).toBe(magentoSignature(body, { value: secret }));
    }
    expect(both.headers["webhook-signature"]).toMatch(/^v1a,\S+ v1,\S+$/);
    expect([alone.headers["webhook-signature"], alone.json()]).toEqual([
      undefined,
      { data: { order: { id: 42 } } },
    ]);
    expect(alone.headers["webhook-id"]).toBeDefined();
    expect(
      await deliver(receiver.url, { signatures: ["magento"] }, { secrets: [newSecret("v1a")] }),
    ).toMatchObject({ ok: false, retryable: false, errorClass: "invalid_settings" });
  });

  test.each([
    [
      "cloudevents",
      "application/cloudevents+json; charset=utf-8",
      { specversion: "1.0", source: "urn:shop" },
    ],
    [
      "cloudevents-batch",
      "application/cloudevents-batch+json; charset=utf-8",
      [{ type: "order.placed" }],
    ],
    ["cloudevents-binary", "application/json", { order: { id: 42 } }],
  ])("is written as %s", async (format, contentType, body) => {
    await using receiver = await startReceiver();
    const notifier = newNotifier({ source: "urn:shop" });
    await deliver(receiver.url, { format }, {}, notifier);
    const request = await receiver.next();
    expect(request.headers["content-type"]).toBe(contentType);
    expect(request.json()).toMatchObject(body);
  });

  test("takes its trace along", async () => {
    await using receiver = await startReceiver();
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    await deliver(receiver.url, {}, { event: { metadata: { traceparent } } });
    expect((await receiver.next()).headers["traceparent"]).toBe(traceparent);
  });
});

describe("an answer", () => {
  const OVERLOADED = { retryAfterMs: 60_000 };
  test.each<[ReceiverAnswer, Partial<NotifierResult>]>([
    [200, { ok: true, status: 200 }],
    [202, { ok: true }],
    [299, { ok: true }],
    [301, { ok: false, retryable: false, errorClass: "redirect" }],
    [304, { ok: false, retryable: false, errorClass: "redirect" }],
    [400, { ok: false, retryable: false, errorClass: "http_4xx" }],
    [401, { ok: false, retryable: false, errorClass: "http_4xx" }],
    [404, { ok: false, retryable: false, errorClass: "http_4xx" }],
    [408, { ok: false, retryable: true, errorClass: "http_4xx" }],
    [410, { ok: false, retryable: false, errorClass: "http_410", gone: true }],
    [425, { ok: false, retryable: true, errorClass: "http_4xx" }],
    [429, { ok: false, retryable: true, errorClass: "http_429", ...OVERLOADED }],
    [
      500,
      { ok: false, retryable: true, errorClass: "http_5xx", error: "The destination answered 500" },
    ],
    [503, { ok: false, retryable: true, errorClass: "http_5xx" }],
    [{ status: 429, headers: { "retry-after": "7" } }, OVERLOADED],
    [{ status: 429, headers: { "retry-after": "700" } }, { retryAfterMs: 700_000 }],
    [{ status: 429, headers: { "retry-after": "31536000" } }, { retryAfterMs: 31_536_000_000 }],
    [{ status: 429, headers: { "retry-after": "soon" } }, OVERLOADED],
    [{ status: 429, headers: { "retry-after": "Mon, 30 Nov 2020 12:00:00 GMT" } }, OVERLOADED],
    [{ status: 503, headers: { "retry-after": "7" } }, { retryAfterMs: 7_000 }],
    [
      {
        status: 503,
        headers: {
          date: "Mon, 30 Nov 2026 13:00:00 GMT",
          "retry-after": "Mon, 30 Nov 2026 13:02:00 GMT",
        },
      },
      { retryAfterMs: 120_000 },
    ],
    ["reset", { ok: false, retryable: true, errorClass: "connection_reset" }],
    ["garbage", { ok: false, retryable: true, errorClass: "protocol_error" }],
    ["flood", { ok: true, status: 200 }],
  ])("%j is understood", async (answer, result) => {
    await using receiver = await startReceiver({ otherwise: answer });
    const found = await deliver(receiver.url);
    expect(found).toMatchObject(result);
    if (!("retryAfterMs" in result)) expect(found).not.toHaveProperty("retryAfterMs");
    if (!result.gone) expect(found).not.toHaveProperty("gone");
    expect(found.requestHeaders).toHaveProperty("webhook-id");
    expect(receiver.requests).toHaveLength(1);
  });

  test("that does not come takes its time only, and a rest of a minute", async () => {
    await using receiver = await startReceiver({ otherwise: "drip" });
    expect(await deliver(receiver.url, { timeoutMs: 100 })).toMatchObject({
      ok: false,
      retryable: true,
      errorClass: "timeout",
      retryAfterMs: 60_000,
    });
  });

  test("is shown up to 16 kB, as text that any database can keep", async () => {
    const odd = { headers: { "content-encoding": "gzip" }, body: "\u001F\u008B" };
    await using receiver = await startReceiver({
      answers: [
        "flood",
        { body: `a\u0000b${"€".repeat(9_000)}` },
        { body: Buffer.alloc(9_999, 255) },
        odd,
      ],
    });
    const texts: string[] = [];
    for (let n = 0; n < 4; n += 1) texts.push((await deliver(receiver.url)).response ?? "");
    for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16_384);
    expect(texts[0]).toBe(".".repeat(16_384));
    expect(texts[1]).toMatch(/^a\uFFFDb€+$/);
    expect(texts[2]).toMatch(/^\uFFFD+$/);
    expect(texts[3]).toBe("[3 bytes, encoded]");
  });

  test.each<[HttpSettings["statusRules"], number, Partial<NotifierResult>]>([
    [[{ status: "4xx", do: "retry" }], 404, { ok: false, retryable: true }],
    [[{ status: 404, do: "succeed" }], 404, { ok: true, status: 404 }],
    [[{ status: [400, 499], do: "disable" }], 422, { ok: false, gone: true, retryable: false }],
    [[{ status: 410, do: "fail" }], 410, { ok: false, retryable: false }],
    [[{ status: "5xx", do: "fail" }], 503, { ok: false, retryable: false }],
    [[{ status: 202, do: "retry" }], 202, { ok: false, retryable: true, errorClass: "rejected" }],
    [[{ status: "3xx", do: "succeed" }], 302, { ok: true }],
    [
      [
        { status: 409, do: "succeed" },
        { status: "4xx", do: "retry" },
      ],
      409,
      { ok: true },
    ],
    [
      [
        { status: 409, do: "succeed" },
        { status: "4xx", do: "retry" },
      ],
      400,
      { retryable: true },
    ],
    [[{ status: [500, 502], do: "fail" }], 503, { retryable: true }],
  ])("with the rules %j, %i is understood", async (statusRules, status, result) => {
    await using receiver = await startReceiver({ otherwise: status });
    const found = await deliver(receiver.url, { statusRules });
    expect(found).toMatchObject(result);
    expect(found.gone === true).toBe(result.gone === true);
  });
});

describe("headers and authentication", () => {
  test("are sent, and what is secret is not shown, even if the destination repeats it", async () => {
    await using receiver = await startReceiver({
      answers: [500, 200].map((status) => ({
        status,
        body: "Basic dTpww7Y6cGFzc3dvcmQ= and t0psecret, user u",
      })),
    });
    const settings = {
      headers: { "X-Shop": "1", "User-Agent": "Shop" },
      sensitiveHeaders: { "X-Api-Key": "t0psecret", Cookie: "a=t0psecret" },
      auth: { type: "basic", username: "u", password: "pö:password" },
    };
    const result = await deliver(receiver.url, settings);
    expect((await receiver.next()).headers).toMatchObject({
      "x-shop": "1",
      "user-agent": "Shop",
      "x-api-key": "t0psecret",
      cookie: "a=t0psecret",
      authorization: "Basic dTpww7Y6cGFzc3dvcmQ=",
    });
    expect(result.requestHeaders).toMatchObject({
      "x-shop": "1",
      "x-api-key": "[redacted]",
      cookie: "[redacted]",
      authorization: "[redacted]",
    });
    expect(result.response).toBe("[redacted] and [redacted], user u");
    expect(JSON.stringify(result)).not.toMatch(/t0psecret|password|dTpw/);
  });

  test("a bearer token", async () => {
    await using receiver = await startReceiver();
    const result = await deliver(receiver.url, { auth: { type: "bearer", token: "abcdefgh" } });
    expect((await receiver.next()).headers.authorization).toBe("Bearer abcdefgh");
    expect(JSON.stringify(result)).not.toContain("abcdefgh");
  });

  test("a certificate of our own", async () => {
    const { ca, server, client } = makeCertificates();
    await using receiver = await startReceiver({ tls: { ...server, ca, requestCert: true } });
    expect(await deliver(receiver.url, { tls: { ca, ...client } })).toMatchObject({ ok: true });
    expect(await deliver(receiver.url, {})).toMatchObject({ ok: false, errorClass: "tls_error" });
  });
});

describe("OAuth 2", () => {
  const token = (value: string, more: object = { expires_in: 3_600 }): ReceiverAnswer => ({
    body: JSON.stringify({ access_token: value, token_type: "Bearer", ...more }),
  });
  const auth = (tokenUrl: string, more: object = {}): object => ({
    auth: { type: "oauth2", tokenUrl, clientId: "id:1", clientSecret: "client secret", ...more },
  });

  test("asks once for many attempts, and keeps the token", async () => {
    await using tokens = await startReceiver({ answers: [token("token-1")] });
    await using receiver = await startReceiver();
    const notifier = newNotifier();
    const settings = auth(tokens.url, { scope: "a b", audience: "shop" });
    const many = Array.from({ length: 10 }, () => deliver(receiver.url, settings, {}, notifier));
    expect((await Promise.all(many)).every(({ ok }) => ok)).toBe(true);
    expect((await deliver(receiver.url, settings, {}, notifier)).ok).toBe(true);
    const { headers, body } = await tokens.next();
    expect(String(body)).toBe("grant_type=client_credentials&scope=a+b&audience=shop");
    expect(headers.authorization).toBe(`Basic ${btoa("id%3A1:client+secret")}`);
    expect(tokens.requests).toHaveLength(1);
    expect(new Set(receiver.requests.map((request) => request.headers.authorization))).toEqual(
      new Set(["Bearer token-1"]),
    );
  });

  test("asks anew when a token has expired, and when the destination refuses it", async () => {
    const tokens = await startReceiver({
      answers: [token("short", { expires_in: 0.001 }), token("refused"), token("good")],
    });
    closing.push(() => tokens.close());
    await using receiver = await startReceiver({
      otherwise: ({ headers }) => (headers.authorization === "Bearer refused" ? 401 : 200),
    });
    const notifier = newNotifier();
    const settings = auth(tokens.url, { credentialsIn: "body" });
    for (let n = 0; n < 3; n += 1) {
      expect(await deliver(receiver.url, settings, {}, notifier)).toMatchObject({ ok: true });
    }
    expect(receiver.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer short",
      "Bearer refused",
      "Bearer good",
      "Bearer good",
    ]);
    expect(String((await tokens.next()).body)).toBe(
      "grant_type=client_credentials&client_id=id%3A1&client_secret=client+secret",
    );
  });

  test("tries once more only", async () => {
    await using tokens = await startReceiver({ otherwise: token("t") });
    await using receiver = await startReceiver({ otherwise: 401 });
    expect(await deliver(receiver.url, auth(tokens.url))).toMatchObject({ ok: false, status: 401 });
    expect([receiver.requests.length, tokens.requests.length]).toEqual([2, 2]);
  });

  test.each<[ReceiverAnswer, boolean, RegExp]>([
    [{ status: 401, body: "client secret" }, false, /^The token server answered 401$/],
    [503, true, /^The token server answered 503$/],
    ["reset", true, /^The token server: The connection was closed/],
    [{ body: "no JSON" }, true, /without an access_token/],
    [{ body: '{"access_token":"a\\nb"}' }, true, /without an access_token/],
    [{ status: 302, headers: { location: "http://127.0.0.1:1/" } }, false, /answered 302/],
  ])("with a token server that answers %j, says so", async (answer, retryable, error) => {
    await using tokens = await startReceiver({ otherwise: answer });
    await using receiver = await startReceiver();
    const result = await deliver(receiver.url, auth(tokens.url));
    expect(result).toMatchObject({ ok: false, retryable, errorClass: "authentication" });
    expect(result.error).toMatch(error);
    expect(receiver.requests).toEqual([]);
  });

  test("waits no longer than the attempt has time, and asks through the guard", async () => {
    await using tokens = await startReceiver({ otherwise: "hang" });
    expect(await deliver("http://127.0.0.1:1/", { ...auth(tokens.url), timeoutMs: 100 })) //
      .toMatchObject({ errorClass: "authentication", error: "The token server takes too long" });
    const lookup = async (): Promise<readonly string[]> => ["10.0.0.1"];
    const blocked = newNotifier({ lookup });
    expect(await deliver("http://127.0.0.1:1/", auth("http://internal.example/"), {}, blocked)) //
      .toMatchObject({
        errorClass: "authentication",
        error: expect.stringMatching(/may not go/) as string,
      });
  });
});

describe("a destination", () => {
  test.each<[string, HttpNotifierOptions, string | undefined]>([
    ["https://shop.example/hook?a=1", {}, undefined],
    ["http://shop.example/", {}, undefined],
    ["http://shop.example/", { allowHttp: false }, "be an https URL"],
    ["ftp://shop.example/", {}, "be an http or https URL"],
    ["//shop.example/", {}, "be an http or https URL"],
    ["shop.example", {}, "be an http or https URL"],
    ["", {}, "be an http or https URL"],
    ["https://", {}, "be an http or https URL"],
    ["https://shop.example/a b", {}, "be an http or https URL"],
    ["https://shop.example\n", {}, "be an http or https URL"],
    ["https://user@shop.example/", {}, "have no user name and no password"],
    ["https://:pass@shop.example/", {}, "have no user name and no password"],
    [`https://shop.example/${"x".repeat(2_048)}`, {}, "have 2048 characters at most"],
    ["https://169.254.169.254/", {}, "have an address that deliveries may go to, or a name"],
    ["https://10.1.2.3/", {}, "have an address that deliveries may go to, or a name"],
    ["https://10.1.2.3/", { allow: ["10.0.0.0/8"] }, undefined],
  ])("%s with %o", (destination, options, problem) => {
    const notifier = newNotifier(options);
    expect(notifier.checkDestination(destination, settingsOf({}))).toBe(problem);
  });

  test("is https in production", () => {
    vi.stubEnv("NODE_ENV", "production");
    const problem = newNotifier().checkDestination("http://shop.example/", settingsOf({}));
    expect(problem).toBe("be an https URL");
  });

  test("that has become a bad one is not attempted again", async () => {
    const notifier = newNotifier({ allowHttp: false });
    expect(await deliver("http://shop.example/", {}, {}, notifier)).toMatchObject({
      ok: false,
      retryable: false,
      errorClass: "invalid_settings",
      error: "The destination must be an https URL",
    });
  });
});

describe("settings", () => {
  test("have defaults", () => {
    expect(parse({})).toEqual({
      format: "standard",
      signatures: ["standard"],
      headers: {},
      sensitiveHeaders: {},
      timeoutMs: 15_000,
      statusRules: [],
    });
  });

  test.each<[object, RegExp]>([
    [{ formt: "standard" }, /^: .*formt/],
    [{ format: "xml" }, /^format: /],
    [{ signatures: [] }, /^signatures: /],
    [{ timeoutMs: 30_001 }, /^timeoutMs: /],
    [{ timeoutMs: 1.5 }, /^timeoutMs: /],
    [{ headers: { "a b": "c" } }, /^headers.a b: must be the name of a header$/],
    [{ headers: { a: "b\r\nc: d" } }, /^headers.a: must be printable/],
    [{ headers: { a: " b" } }, /^headers.a: must be printable/],
    [{ headers: { a: "€" } }, /^headers.a: must be printable/],
    [{ headers: { a: "b", A: "c" } }, /^headers.A: must be there once only$/],
    [{ headers: { Host: "a" } }, /^headers.Host: must not be set: it is ours$/],
    [{ headers: { "Webhook-Id": "a" } }, /must not be set/],
    [{ headers: { "transfer-encoding": "chunked" } }, /must not be set/],
    [{ headers: { "Content-Length": "1" } }, /must not be set/],
    [{ headers: { "proxy-authorization": "a" } }, /must not be set/],
    [{ headers: { "ce-id": "a" } }, /must not be set/],
    [{ headers: { "x-magento-signature": "a" } }, /must not be set/],
    [{ headers: { authorization: "a" } }, /must be one of sensitiveHeaders/],
    [{ sensitiveHeaders: { connection: "a" } }, /^sensitiveHeaders.connection: must not be set/],
    [{ headers: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`x${n}`, "a"])) }, /50/],
    [{ auth: { type: "digest" } }, /^auth/],
    [{ auth: { type: "basic", username: "a:b", password: "c" } }, /^auth.username: must not/],
    [{ auth: { type: "bearer", token: "a\nb" } }, /^auth.token: /],
    [
      { auth: { type: "oauth2", tokenUrl: "x", clientId: "a", clientSecret: "b" } },
      /^auth.tokenUrl: must be an http/,
    ],
    [
      { auth: { type: "oauth2", tokenUrl: "http://10.0.0.1/", clientId: "a", clientSecret: "b" } },
      /^auth.tokenUrl: must have an address/,
    ],
    [{ tls: { cert: "a" } }, /^tls.key: must be given with a certificate/],
    [{ tls: { cert: "a", key: "b" } }, /^tls.cert: must be a certificate as PEM/],
    [{ tls: { rejectUnauthorized: false } }, /^tls: .*rejectUnauthorized/],
    [{ statusRules: [{ status: "6xx", do: "retry" }] }, /^statusRules.0.status: /],
    [
      { statusRules: [{ status: [499, 400], do: "retry" }] },
      /^statusRules.0.status: must have the lower/,
    ],
    [{ statusRules: [{ status: 404, do: "ignore" }] }, /^statusRules.0.do: /],
  ])("%j are refused with the path", (given, issue) => {
    expect(parse(given)).toEqual([expect.stringMatching(issue)]);
  });

  test("say as JSON Schema what is secret, and nothing of that is kept in the open", () => {
    const schema = newNotifier().settings["~standard"].jsonSchema.input({
      target: "draft-2020-12",
    }) as JsonObject;
    const oauth2 = { type: "oauth2", tokenUrl: "https://a.example", clientId: "id" };
    for (const auth of [
      { type: "basic", username: "me", password: "s3cret" },
      { type: "bearer", token: "s3cret" },
      { ...oauth2, clientSecret: "s3cret" },
    ]) {
      const sensitiveHeaders = { "x-api-key": "s3cret", cookie: "s3cret" };
      const settings = { auth, sensitiveHeaders, tls: { key: "s3cret", cert: "open" } };
      const { shown, secret } = splitSettings(settings, schema);
      expect(JSON.stringify(shown)).not.toContain("s3cret");
      expect(shown).toMatchObject({
        sensitiveHeaders: { "x-api-key": "[secret]", cookie: "[secret]" },
        tls: { cert: "open" },
      });
      expect(secret).toHaveLength(4);
    }
    expect(schema).toMatchObject({
      properties: { format: { title: "Format", default: "standard" } },
    });
  });
});

test("options that cannot be are refused", () => {
  expect(() => httpNotifier({ alow: [] } as never)).toThrow(/alow.*allow/);
  expect(() => httpNotifier({ allow: ["10.0.0.0/40"] })).toThrow(/10\.0\.0\.0\/40/);
  expect(() => httpNotifier({ proxy: "socks5://a" })).toThrow(/http:\/\/ or https:\/\//);
});
