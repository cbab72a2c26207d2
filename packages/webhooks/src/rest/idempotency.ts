import { createHash } from "node:crypto";
import type { Answer } from "./route.ts";
import { Problem, wrongHeader } from "./problem.ts";

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

/** The key of a request. Undefined if it has none. */
export function requestKeyOf(request: Request, caller: string): RequestKey | undefined {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  if (!/^[!-~]{1,255}$/.test(key)) {
    throw wrongHeader("Idempotency-Key", "must be 1 to 255 visible characters of ASCII");
  }
  return { caller, key };
}

/** The fingerprint of a request: its method, path and body. */
export function fingerprintOf(method: string, path: string, body: string): string {
  return createHash("sha256").update(`${method} ${path}\n${body}`).digest("hex");
}

/**
 * Handles a request once for its key: a repeat gets the first answer again. A request that has failed is forgotten,
 * as it has changed nothing.
 *
 * @throws Problem when the request is in progress (409), or the key belongs to another one (422).
 */
export async function answerOnce(
  requests: IdempotentRequests,
  key: RequestKey,
  fingerprint: string,
  handle: () => Promise<Answer | Response>,
): Promise<Answer | Response> {
  const state = await requests.begin(key, fingerprint);
  if (state.kind === "running") {
    throw new Problem("request-in-progress", "Repeat the request in a moment", {
      headers: { "retry-after": "1" },
    });
  }
  if (state.kind === "other") {
    const detail = "was used for another request within the last day";
    throw new Problem("idempotency-key-reused", `Header Idempotency-Key: ${detail}`, {
      errors: [{ header: "Idempotency-Key", detail }],
    });
  }
  if (state.kind === "answered") {
    const answer = JSON.parse(state.answer) as Answer;
    return { ...answer, headers: { ...answer.headers, "idempotency-replayed": "true" } };
  }
  let answer: Answer | Response;
  try {
    answer = await handle();
  } catch (error) {
    await requests.abandon(key);
    throw error;
  }
  if (answer instanceof Response) await requests.abandon(key);
  else await requests.finish(key, JSON.stringify(answer));
  return answer;
}
