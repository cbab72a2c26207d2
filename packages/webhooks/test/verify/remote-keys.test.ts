import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newSecret, secretFrom } from "../../src/secrets/secret-text.ts";
import { jsonWebKeySet } from "../../src/signing/json-web-keys.ts";
import { Signer } from "../../src/signing/signer.ts";
import { createVerifier } from "../../src/verify.ts";

const signer = new Signer();
const start = 1_800_000_000_000;
const body = Buffer.from("{}");
const secretAt = (ms: number) => secretFrom(newSecret("v1a"), new Date(ms));
const [first, second, stranger] = [secretAt(1), secretAt(2), secretAt(3)];

let time = start;
let asked = 0;
let answer: { status: number; cacheControl?: string; text: string };
let server: Server;
let url: string;

beforeEach(async () => {
  [time, asked] = [start, 0];
  answer = { status: 200, text: setOf(first) };
  server = createServer((_, response) => {
    asked += 1;
    const { status, cacheControl, text } = answer;
    response.writeHead(status, cacheControl ? { "cache-control": cacheControl } : {}).end(text);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

function setOf(...secrets: readonly (typeof first)[]): string {
  return JSON.stringify(jsonWebKeySet(secrets, new Date(start)));
}

/** Signs at the present time, and returns `trusted` or why not. */
async function tried(
  verifier: ReturnType<typeof createVerifier>,
  secret: typeof first,
): Promise<string> {
  const headers = signer.headers({ id: "id", timestamp: new Date(time), body, secrets: [secret] });
  return verifier.verify(headers, body).then(
    () => "trusted",
    (error: { reason: string }) => error.reason,
  );
}

describe("a key set", () => {
  test("is fetched once for many requests, and kept as long as it says", async () => {
    answer.cacheControl = "public, max-age=60";
    const verifier = createVerifier({ jwks: url, now: () => time });

    expect(await Promise.all([tried(verifier, first), tried(verifier, first)])).toEqual([
      "trusted",
      "trusted",
    ]);
    time += 59_999;
    expect(await tried(verifier, first)).toBe("trusted");
    expect(asked).toBe(1);
    time += 1;
    expect(await tried(verifier, first)).toBe("trusted");
    expect(asked).toBe(2);
  });

  test("is not fetched for requests that are signed otherwise", async () => {
    const shared = secretFrom(newSecret(), new Date(0));
    const verifier = createVerifier({ jwks: new URL(url), secrets: shared.value, now: () => time });

    expect(await tried(verifier, shared)).toBe("trusted");
    expect(asked).toBe(0);
  });

  test("is fetched again for an unknown key, at most every 30 seconds", async () => {
    const verifier = createVerifier({ jwks: url, now: () => time });
    expect(await tried(verifier, first)).toBe("trusted");
    answer.text = setOf(second, first);

    time += 29_999;
    expect(await tried(verifier, second)).toBe("no-matching-signature");
    expect(asked).toBe(1);
    time += 1;
    expect(await Promise.all([tried(verifier, second), tried(verifier, stranger)])).toEqual([
      "trusted",
      "no-matching-signature",
    ]);
    expect(asked).toBe(2);
    expect(await tried(verifier, stranger)).toBe("no-matching-signature");
    expect(asked).toBe(2);
  });

  test("is used for a day while it cannot be fetched, and then no more", async () => {
    const verifier = createVerifier({ jwks: url, now: () => time });
    expect(await tried(verifier, first)).toBe("trusted");
    answer = { status: 500, text: "" };

    time += 86_399_999;
    expect(await tried(verifier, first)).toBe("trusted");
    expect(await tried(verifier, first)).toBe("trusted");
    expect(asked).toBe(2);
    time += 1;
    expect(await tried(verifier, first)).toBe("keys-unavailable");
    time += 30_000;
    answer = { status: 200, text: setOf(first) };
    expect(await tried(verifier, first)).toBe("trusted");
  });

  test.each([
    ["an error", { status: 404, text: "{}" }],
    ["no JSON", { status: 200, text: "<html>" }],
    ["no key set", { status: 200, text: '{"keys":{}}' }],
  ])(
    "is unavailable if the URL answers with %s, and is asked for again a second later",
    async (_, wrong) => {
      answer = wrong;
      const verifier = createVerifier({ jwks: url, now: () => time });

      expect(await tried(verifier, first)).toBe("keys-unavailable");
      expect(await tried(verifier, first)).toBe("keys-unavailable");
      expect(asked).toBe(1);
      answer = { status: 200, text: setOf(first) };
      time += 1_000;
      expect(await tried(verifier, first)).toBe("trusted");
    },
  );

  test("is fetched again after the clock was set back", async () => {
    const verifier = createVerifier({ jwks: url, now: () => time });
    await tried(verifier, first);
    time -= 3_600_000;

    expect(await tried(verifier, first)).toBe("trusted");
    expect(asked).toBe(2);
  });

  test("may be given as it is, with keys of other kinds in it", async () => {
    const { keys } = jsonWebKeySet([first], new Date(start));
    const jwks = { keys: [{ kty: "RSA" }, { ...keys[0], x: "AAAA" }, ...keys] };
    const verifier = createVerifier({ jwks, now: () => time });

    expect(await tried(verifier, first)).toBe("trusted");
    expect(await tried(verifier, second)).toBe("no-matching-signature");
  });
});

describe("jsonWebKeySet", () => {
  test("has the public keys of active secrets, and their thumbprints", () => {
    // The key of RFC 8037, appendix A.
    const publicKey = `whpk_${Buffer.from("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "base64url").toString("base64")}`;
    const example = { ...first, publicKey };
    const secrets = [
      example,
      example,
      secretFrom(newSecret(), new Date(0)),
      { ...second, expiresAt: new Date(start) },
    ];

    expect(jsonWebKeySet(secrets, new Date(start))).toEqual({
      keys: [
        {
          kty: "OKP",
          crv: "Ed25519",
          x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
          kid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
          use: "sig",
          alg: "EdDSA",
        },
      ],
    });
  });
});
