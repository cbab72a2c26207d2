import { createHash, timingSafeEqual } from "node:crypto";
import { Problem } from "./problem.ts";
import type { Caller } from "./permissions.ts";

/** A bearer token that a caller presents, as `Authorization: Bearer <token>`. */
export type AccessToken = Caller &
  (
    | {
        /** The token: at least 16 characters. */
        readonly token: string;
        readonly tokenHash?: undefined;
      }
    | {
        /** The SHA-256 of the token, in hexadecimal: then the token itself is nowhere in the configuration. */
        readonly tokenHash: string;
        readonly token?: undefined;
      }
  );

/** Finds out who sends a request: the application's own way. Undefined if it does not know the caller. */
export type Authenticate = (request: Request) => Caller | undefined | Promise<Caller | undefined>;

/** Characters that a token has at least, so that nobody guesses it. */
const MIN_TOKEN_CHARACTERS = 16;

/**
 * Authenticates by bearer tokens. Each presented token is compared with all tokens, in the same time whether it is
 * right or wrong.
 *
 * @throws TypeError when a token is too short or a hash is no SHA-256.
 */
export function bearerTokens(tokens: readonly AccessToken[]): Authenticate {
  const known = tokens.map((entry, index) => ({
    hash: hashOf(entry, index),
    caller: { name: entry.name, permissions: [...entry.permissions] },
  }));
  return (request) => {
    const presented = /^bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    if (presented === undefined) return undefined;
    const hash = sha256(presented);
    let found: Caller | undefined;
    for (const entry of known) if (timingSafeEqual(entry.hash, hash)) found = entry.caller;
    return found;
  };
}

/** The problem of a request whose caller is not known. */
export function unauthenticated(request: Request): Problem {
  const presented = request.headers.has("authorization");
  return new Problem(
    "unauthenticated",
    presented ? "The credentials are not valid" : "The request has no credentials",
    {
      headers: {
        "www-authenticate": `Bearer realm="webhooks"${presented ? ', error="invalid_token"' : ""}`,
      },
    },
  );
}

function hashOf({ token, tokenHash, name }: AccessToken, index: number): Buffer {
  const what = `tokens[${index}] (${JSON.stringify(name)})`;
  if (tokenHash !== undefined) {
    if (!/^[\da-f]{64}$/i.test(tokenHash)) {
      throw new TypeError(`${what}: tokenHash must be a SHA-256 in hexadecimal`);
    }
    return Buffer.from(tokenHash, "hex");
  }
  if (typeof token !== "string" || !/^\S+$/.test(token) || token.length < MIN_TOKEN_CHARACTERS) {
    throw new TypeError(
      `${what}: token must be a text of at least ${MIN_TOKEN_CHARACTERS} characters without spaces`,
    );
  }
  return sha256(token);
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
