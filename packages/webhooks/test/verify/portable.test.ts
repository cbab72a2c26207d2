import { createContext, runInContext } from "node:vm";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { newSecret, secretFrom } from "../../src/secrets/secret-text.ts";
import { magentoSignature, Signer } from "../../src/signing/signer.ts";
import type * as verifyEntry from "../../src/verify.ts";

/** All that the verifier may ask of a runtime: workers, Deno, Bun and browsers have it as well. */
const web = {
  AbortSignal,
  atob,
  btoa,
  crypto,
  fetch,
  TextDecoder,
  TextEncoder,
  URL,
};

const entry = fileURLToPath(new URL("../../src/verify.ts", import.meta.url));

/** The entry in one file, loaded where there is nothing of Node. */
async function loadPortably(): Promise<typeof verifyEntry> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: "neutral",
    format: "iife",
    globalName: "entry",
    write: false,
    metafile: true,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  expect(imports.filter(({ external }) => external)).toEqual([]);
  return runInContext(`${outputFiles[0]?.text}; entry`, createContext(web)) as typeof verifyEntry;
}

test("verifies requests where there is nothing but what workers have", async () => {
  const { createVerifier, verifyMagentoSignature } = await loadPortably();
  const [shared, pair] = [newSecret(), newSecret("v1a")].map((it) => secretFrom(it, new Date()));
  const body = Buffer.from('{"type":"a","timestamp":"2026-11-30T12:00:00Z","data":1}');
  const request = { id: "id", timestamp: new Date(), body };
  const verifiers = [
    [shared, createVerifier({ secrets: shared?.value })],
    [pair, createVerifier({ publicKeys: pair?.publicKey ?? "" })],
  ] as const;

  for (const [secret, { verify, verifyRequest }] of verifiers) {
    const headers = new Signer().headers({ ...request, secrets: secret ? [secret] : [] });
    expect((await verify(headers, body)).event?.data).toBe(1);
    expect(
      (await verifyRequest(new Request("https://example.org", { method: "POST", headers, body })))
        .id,
    ).toBe("id");
    await expect(verify(headers, `${body.toString()} `)).rejects.toMatchObject({
      name: "WebhookVerificationError",
      reason: "no-matching-signature",
    });
  }
  const token = { value: "token" };
  const legacy = { "x-magento-signature": magentoSignature(body, token) };
  expect(await verifyMagentoSignature(legacy, body, token.value)).toMatchObject({ data: 1 });
});
