import { createHash, createHmac } from "node:crypto";
import type { ReceivedRequest } from "../../src/testing.ts";

/** An access key as subscriptions have it. */
export const ACCESS_KEY = Object.freeze({
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
});

/**
 * What a request was signed for, such as `eu-central-1/events`, if its signature is the one that AWS would compute.
 *
 * @throws Error when the signature is another.
 */
export function verifySignature({ method, path, headers, body }: ReceivedRequest): string {
  const authorization = headers.authorization ?? "";
  const [, scope = "", signed = "", signature] =
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/(\S+), SignedHeaders=(\S+), Signature=(\w+)$/.exec(
      authorization,
    ) ?? [];
  const [date = "", region = "", service = ""] = scope.split("/");
  const canonical = [
    method,
    path,
    "",
    ...signed.split(";").map((name) => `${name}:${String(headers[name]).trim()}`),
    "",
    signed,
    createHash("sha256").update(body).digest("hex"),
  ].join("\n");
  const toSign = [
    "AWS4-HMAC-SHA256",
    headers["x-amz-date"],
    scope,
    createHash("sha256").update(canonical).digest("hex"),
  ].join("\n");
  const hmac = (key: string | Buffer, text: string): Buffer =>
    createHmac("sha256", key).update(text).digest();
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>(
    hmac,
    `AWS4${ACCESS_KEY.secretAccessKey}`,
  );
  if (hmac(key, toSign).toString("hex") !== signature) throw new Error("The signature is wrong");
  return `${region}/${service}`;
}
