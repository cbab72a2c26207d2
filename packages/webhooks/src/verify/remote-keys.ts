import { bytesOfSet, importPublicKey, type Key } from "./keys.ts";
import { WebhookVerificationError } from "./verification-error.ts";

/** The part of `fetch` that the verifier needs. */
export type FetchKeys = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
) => Promise<{
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  json(): Promise<unknown>;
}>;

const DAY_MS = 86_400_000;
const TIMEOUT_MS = 5_000;
/** For an answer that says nothing of it. */
const DEFAULT_MAX_AGE_MS = 300_000;
/** A set is not asked for more often than this, whatever arrives. */
const MIN_INTERVAL_MS = 30_000;
/** As long as there are no keys at all. */
const RETRY_MS = 1_000;

/** The public keys that a URL answers with. They are kept as long as the answer allows, at least 30 s, at most a day. */
export class RemoteKeys {
  readonly #url: string;
  readonly #fetch: FetchKeys;
  readonly #now: () => number;
  #keys: readonly Key[] | undefined;
  #fetchedAt = -Infinity;
  #askedAt = -Infinity;
  #maxAgeMs = 0;
  #failure: unknown;
  #pending: Promise<readonly Key[]> | undefined;

  constructor(url: string, fetch: FetchKeys, now: () => number) {
    this.#url = url;
    this.#fetch = fetch;
    this.#now = now;
  }

  /**
   * The keys, fetched if they are not there or too old. If they cannot be fetched, those of the last day do.
   *
   * @throws WebhookVerificationError `keys-unavailable` when there are none.
   */
  async current(): Promise<readonly Key[]> {
    const keys = this.#keys;
    if (keys !== undefined && this.#since(this.#fetchedAt) < this.#maxAgeMs) return keys;
    const waitMs = keys === undefined ? RETRY_MS : MIN_INTERVAL_MS;
    const isTooSoon = this.#pending === undefined && this.#since(this.#askedAt) < waitMs;
    return isTooSoon ? this.#orFailure() : this.#load();
  }

  /** The keys, fetched again because none of `tried` fits. Undefined if they were asked for a moment ago. */
  async renewed(tried: readonly Key[]): Promise<readonly Key[] | undefined> {
    if (this.#keys !== undefined && this.#keys !== tried) return this.#keys;
    if (this.#pending === undefined && this.#since(this.#askedAt) < MIN_INTERVAL_MS)
      return undefined;
    return this.#load();
  }

  /** Milliseconds since then. A clock that was set back makes everything old. */
  #since(time: number): number {
    const elapsed = this.#now() - time;
    return elapsed < 0 ? Infinity : elapsed;
  }

  #load(): Promise<readonly Key[]> {
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #ask(): Promise<readonly Key[]> {
    this.#askedAt = this.#now();
    try {
      // Not as a method: `fetch` of some runtimes refuses another `this`.
      const fetch = this.#fetch;
      const answer = await fetch(this.#url, {
        headers: { accept: "application/jwk-set+json, application/json" },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!answer.ok) throw new Error(`It answered ${answer.status}`);
      const bytes = bytesOfSet(await answer.json());
      if (bytes === undefined) throw new Error("It answered with no key set");
      this.#keys = await Promise.all(bytes.map(importPublicKey));
      this.#fetchedAt = this.#askedAt;
      this.#maxAgeMs = maxAgeOf(answer.headers.get("cache-control") ?? "");
      return this.#keys;
    } catch (error) {
      this.#failure = error;
      return this.#orFailure();
    }
  }

  #orFailure(): readonly Key[] {
    if (this.#keys !== undefined && this.#since(this.#fetchedAt) < DAY_MS) return this.#keys;
    const message = `The public keys of ${this.#url} cannot be fetched`;
    throw new WebhookVerificationError("keys-unavailable", message, { cause: this.#failure });
  }
}

function maxAgeOf(cacheControl: string): number {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(cacheControl)?.[1];
  const asked = /no-store|no-cache/i.test(cacheControl)
    ? 0
    : seconds === undefined
      ? DEFAULT_MAX_AGE_MS
      : Number(seconds) * 1_000;
  return Math.min(Math.max(asked, MIN_INTERVAL_MS), DAY_MS);
}
