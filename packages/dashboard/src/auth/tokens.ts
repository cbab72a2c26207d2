import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import {
  type Checks,
  checks,
  type OptionIssue,
  optionIssues,
  systemClock,
} from "@busbar/core/provider";
import { SignInAttempts } from "./attempts.ts";
import type { Caller } from "./caller.ts";

/** A token to sign in with, and the caller that it belongs to. */
export interface AccessToken extends Caller {
  /** The token: at least 16 characters. */
  readonly token: string;
}

/** Characters that a token has at least, so that nobody guesses it. */
const MIN_CHARACTERS = 16;
const COOKIE = "busbar-dashboard";
/** Seconds after which a session expires. */
const SESSION_SECONDS = 43_200;
/** One-time codes that are kept, and for how many milliseconds. */
const MOST_CODES = 20;
const CODE_MS = 600_000;

interface Known {
  readonly hash: Buffer;
  /** Signs sessions. It is made from the token, so only those who have the token can make it. */
  readonly key: Buffer;
  readonly caller: Caller;
}

const MEMBERS: Checks<AccessToken> = {
  name: checks.text,
  token: checks.text,
  readOnly: checks.boolean,
  permissions: checks.texts,
};

/** Returns what is wrong with the tokens of the options, if anything. */
export function checkTokens(value: unknown): string | readonly OptionIssue[] | undefined {
  const tokens: unknown = typeof value === "string" ? [{ token: value, name: "operator" }] : value;
  if (!Array.isArray(tokens) || tokens.length === 0) {
    return "must be a token, or a list of at least one { token, name }";
  }
  // A caller with a misspelt `readOnly` could change everything.
  const issues = tokens.flatMap((token: unknown, index) =>
    optionIssues(token, MEMBERS).map((it) => ({ ...it, path: [String(index), ...it.path] })),
  );
  if (issues.length > 0) return issues;
  const given = tokens as readonly Partial<AccessToken>[];
  if (given.some(({ name }) => name === undefined)) return "must be a list of { token, name }";
  if (given.some(({ token = "" }) => token.length < MIN_CHARACTERS)) {
    return `must have tokens of at least ${MIN_CHARACTERS} characters`;
  }
  const areDifferent = new Set(given.map(({ token }) => token)).size === given.length;
  return areDifferent ? undefined : "must have no token twice";
}

/**
 * Signs people in with a token that they enter once. A session is a cookie that is signed with the token. The cookie is
 * valid for 12 hours in every process that has the token, also after a restart.
 */
export class TokenSessions {
  readonly #known: readonly Known[];
  readonly #attempts = new SignInAttempts();
  /** When each one-time code ends, and whose it is. */
  readonly #codes = new Map<string, { readonly endsAt: number; readonly known: Known }>();
  readonly #path: string;

  /** @param path The path that the cookie is sent to. */
  constructor(tokens: string | readonly AccessToken[], path: string) {
    const all = typeof tokens === "string" ? [{ token: tokens, name: "operator" }] : tokens;
    this.#path = path;
    this.#known = all.map(({ token, readOnly = false, ...caller }: AccessToken) => ({
      hash: sha256(token),
      key: createHmac("sha256", token).update("busbar-dashboard session").digest(),
      caller: { ...caller, readOnly },
    }));
  }

  /**
   * Looks at a token.
   *
   * @returns The cookie of a new session. `wrong`, or the seconds after which it may be tried again.
   */
  async signIn(
    token: string,
    isSecure: boolean,
  ): Promise<{ readonly cookie: string; readonly caller: Caller } | "wrong" | number> {
    const { closedForSeconds } = this.#attempts;
    if (closedForSeconds > 0) return closedForSeconds;
    const hash = sha256(token);
    let found: Known | undefined;
    // Every token is compared, so that the time says nothing.
    for (const known of this.#known) if (timingSafeEqual(known.hash, hash)) found = known;
    if (found) return { cookie: this.#cookieOf(found, isSecure), caller: found.caller };
    await this.#attempts.wrong();
    return "wrong";
  }

  /** A code that signs in once, within 10 minutes, as the first of the tokens does. */
  createCode(): string {
    const code = randomBytes(24).toString("base64url");
    const oldest = this.#codes.keys().next().value;
    if (this.#codes.size >= MOST_CODES && oldest !== undefined) this.#codes.delete(oldest);
    this.#codes.set(code, { endsAt: systemClock.monotonic() + CODE_MS, known: this.#known[0]! });
    return code;
  }

  /** The cookie for a code. Undefined if the code is not valid, or was used. */
  redeem(code: string, isSecure: boolean): string | undefined {
    const entry = this.#codes.get(code);
    this.#codes.delete(code);
    return entry && entry.endsAt > systemClock.monotonic()
      ? this.#cookieOf(entry.known, isSecure)
      : undefined;
  }

  /** Who is signed in. */
  callerOf(request: Request): Caller | undefined {
    const session = cookieIn(request.headers.get("cookie"));
    const [, ends = "", signature = ""] = /^(\d{10,12})\.([\w-]{43})$/.exec(session ?? "") ?? [];
    if (ends === "" || Number(ends) * 1_000 <= systemClock.now()) return undefined;
    const presented = Buffer.from(signature, "base64url");
    let found: Caller | undefined;
    for (const { key, caller } of this.#known) {
      const expected = createHmac("sha256", key).update(ends).digest();
      if (presented.length === expected.length && timingSafeEqual(expected, presented)) {
        found = caller;
      }
    }
    return found;
  }

  /** The cookie that ends a session. */
  signOut(isSecure: boolean): string {
    return this.#cookie("", 0, isSecure);
  }

  #cookieOf({ key }: Known, isSecure: boolean): string {
    const ends = String(Math.floor(systemClock.now() / 1_000) + SESSION_SECONDS);
    const signature = createHmac("sha256", key).update(ends).digest("base64url");
    return this.#cookie(`${ends}.${signature}`, SESSION_SECONDS, isSecure);
  }

  #cookie(value: string, seconds: number, isSecure: boolean): string {
    const secure = isSecure ? "; Secure" : "";
    return `${COOKIE}=${value}; Path=${this.#path}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
  }
}

/** Whether a request has come over TLS, to this process or to a proxy before it. */
export function isSecure(request: Request): boolean {
  const forwarded = request.headers.get("x-forwarded-proto")?.split(",", 1)[0]?.trim();
  return request.url.startsWith("https:") || forwarded === "https";
}

function cookieIn(header: string | null): string | undefined {
  return header
    ?.split(/;\s*/)
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1);
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
