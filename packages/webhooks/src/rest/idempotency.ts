/** Who may not send a request twice, and by which key. */
export interface RequestKey {
  /** The name of the caller: callers do not share keys. */
  readonly caller: string;
  /** What the caller has sent as `Idempotency-Key`. */
  readonly key: string;
}

/** What is known of a request with an idempotency key. */
export type RequestState =
  /** Nothing: it is to be handled now. */
  | { readonly kind: "new" }
  /** It is being handled. */
  | { readonly kind: "running" }
  /** The key belongs to a request that was another one. */
  | { readonly kind: "other" }
  /** It was handled, and this was the answer. */
  | { readonly kind: "answered"; readonly answer: string };

/** Remembers for a day which requests were answered, and how. Shared by all processes. */
export interface IdempotentRequests {
  /**
   * Takes a key for a request, for a minute.
   *
   * @param fingerprint Differs when the request does.
   */
  begin(key: RequestKey, fingerprint: string): Promise<RequestState>;
  /** Keeps the answer, encrypted, as it may hold a secret. */
  finish(key: RequestKey, answer: string): Promise<void>;
  /** Gives a key back: the request has changed nothing. */
  abandon(key: RequestKey): Promise<void>;
}
