import { createHash } from "node:crypto";
import { faultOf } from "./fault-of.ts";
import type { HttpAnswer, HttpClient } from "./client.ts";
import { isHeaderValue } from "./header-rules.ts";
import { HttpFault } from "./http-fault.ts";
import { type Limit, within } from "./within.ts";

/** How requests to a destination say who sends them. */
export type AuthSettings =
  | { readonly type: "basic"; readonly username: string; readonly password: string }
  | { readonly type: "bearer"; readonly token: string }
  | OAuth2Settings;

/** Client credentials of OAuth 2 (RFC 6749, section 4.4). */
export interface OAuth2Settings {
  /** Tells these settings from those of the other ways. */
  readonly type: "oauth2";
  /** The URL of the token server. Deliveries may go to its address, or it is not asked. */
  readonly tokenUrl: string;
  /** The id that the token server knows the application by. */
  readonly clientId: string;
  /** The secret that belongs to the id. Encrypted in the store. */
  readonly clientSecret: string;
  /** What the token is to allow, with spaces between. The token server decides by default. */
  readonly scope?: string | undefined;
  /** Whom the token is for. Some token servers ask for it. */
  readonly audience?: string | undefined;
  /** Whether id and secret are sent as `Authorization: Basic`, or in the form. */
  readonly credentialsIn: "header" | "body";
}

interface Token {
  readonly value: string;
  /** By `performance.now()`. */
  readonly usableUntil: number;
}

/** Milliseconds that a token server has, at most. */
const TOKEN_TIMEOUT_MS = 10_000;
/** Milliseconds before its end at which a token is no longer used; half of its time, if that is less. */
const SPARE_MS = 30_000;
/** Seconds that a token is used if the server does not say how long it is valid. */
const DEFAULT_SECONDS = 300;
const MOST_TOKENS = 1_000;

/**
 * Finds the value of `Authorization`. Tokens of OAuth 2 are kept until shortly before they expire; many requests at once
 * ask for one token together. The token server is reached through the same guard as destinations are.
 */
export class Authorizer {
  readonly #client: HttpClient;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(client: HttpClient) {
    this.#client = client;
  }

  /**
   * Returns the value of `Authorization`.
   *
   * @throws HttpFault `authentication` when there is no token.
   */
  async valueFor(auth: AuthSettings, limit: Limit): Promise<string> {
    switch (auth.type) {
      case "basic":
        return `Basic ${base64(`${auth.username}:${auth.password}`)}`;
      case "bearer":
        return `Bearer ${auth.token}`;
      case "oauth2":
        return `Bearer ${(await within(limit, this.#token(auth), tooSlow)).value}`;
    }
  }

  /**
   * Forgets a token that a destination has refused.
   *
   * @param value The value of `Authorization` that was sent: a token that has been fetched since stays.
   * @returns Whether another one may be accepted.
   */
  async refused(auth: AuthSettings, value: string): Promise<boolean> {
    if (auth.type !== "oauth2") return false;
    const key = keyOf(auth);
    const kept = this.#tokens.get(key);
    const token = await kept?.catch(() => undefined);
    if (`Bearer ${token?.value}` === value && this.#tokens.get(key) === kept)
      this.#tokens.delete(key);
    return true;
  }

  async #token(auth: OAuth2Settings): Promise<Token> {
    const key = keyOf(auth);
    const kept = this.#tokens.get(key);
    if (kept) {
      const token = await kept;
      if (performance.now() < token.usableUntil) return token;
      // Another request may have asked for a new one meanwhile.
      if (this.#tokens.get(key) !== kept) return this.#token(auth);
    }
    const asked = this.#fetch(auth);
    this.#tokens.set(key, asked);
    const [oldest] = this.#tokens.keys();
    if (oldest !== undefined && this.#tokens.size > MOST_TOKENS) this.#tokens.delete(oldest);
    asked.catch(() => {
      if (this.#tokens.get(key) === asked) this.#tokens.delete(key);
    });
    return asked;
  }

  async #fetch(auth: OAuth2Settings): Promise<Token> {
    const askedAt = performance.now();
    const { clientId, clientSecret, scope, audience, credentialsIn } = auth;
    const form = new URLSearchParams({ grant_type: "client_credentials" });
    if (scope !== undefined) form.set("scope", scope);
    if (audience !== undefined) form.set("audience", audience);
    const headers: Record<string, string> = {
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
    };
    if (credentialsIn === "body") {
      form.set("client_id", clientId);
      form.set("client_secret", clientSecret);
    } else {
      headers["authorization"] =
        `Basic ${base64(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`)}`;
    }
    const answer = await this.#ask(new URL(auth.tokenUrl), headers, form.toString());
    const { value, seconds } = readToken(answer);
    const validMs = seconds * 1_000;
    return { value, usableUntil: askedAt + validMs - Math.min(SPARE_MS, validMs / 2) };
  }

  async #ask(url: URL, headers: Record<string, string>, body: string): Promise<HttpAnswer> {
    try {
      const signal = new AbortController().signal;
      return await this.#client.post({ url, headers, body, timeoutMs: TOKEN_TIMEOUT_MS, signal });
    } catch (error) {
      const { message, retryable } = faultOf(error);
      throw new HttpFault("authentication", `The token server: ${message}`, {
        retryable,
        cause: error,
      });
    }
  }
}

function readToken({ status, body }: HttpAnswer): { value: string; seconds: number } {
  if (status !== 200) {
    throw new HttpFault("authentication", `The token server answered ${status}`, {
      retryable: status >= 500 || status === 429 || status === 408,
    });
  }
  let answer: unknown;
  try {
    answer = JSON.parse(body.toString("utf8"));
  } catch {
    answer = undefined;
  }
  const { access_token: value, expires_in: expiresIn } = (answer ?? {}) as Record<string, unknown>;
  if (typeof value !== "string" || !isHeaderValue(value)) {
    throw new HttpFault("authentication", "The token server answered without an access_token");
  }
  const seconds = Number(expiresIn);
  return { value, seconds: Number.isFinite(seconds) && seconds > 0 ? seconds : DEFAULT_SECONDS };
}

function tooSlow(): HttpFault {
  return new HttpFault("authentication", "The token server takes too long");
}

function keyOf(auth: OAuth2Settings): string {
  return createHash("sha256").update(JSON.stringify(auth)).digest("base64");
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** RFC 6749, section 2.3.1: id and secret are encoded as in a form before they are put together. */
function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}
