/**
 * Why a request was refused.
 *
 * - `missing-header`: `webhook-id`, `webhook-timestamp` or `webhook-signature` is missing or empty.
 * - `bad-timestamp`: `webhook-timestamp` is no number of seconds.
 * - `too-old`, `too-new`: the time is further away from the present than the tolerance. Compare the clocks.
 * - `no-matching-signature`: no signature fits. The secret is another one, the body is not exactly what was sent, or
 *   somebody has forged the request.
 * - `bad-json`: the signature fits, and the body is no JSON.
 * - `keys-unavailable`: the key set could not be fetched. Answer 503, so that the sender tries again.
 */
export type VerificationFailure =
  | "missing-header"
  | "bad-timestamp"
  | "too-old"
  | "too-new"
  | "no-matching-signature"
  | "bad-json"
  | "keys-unavailable";

/** The error of a request that cannot be trusted, or not be read. Its message has neither secrets nor signatures. */
export class WebhookVerificationError extends Error {
  /** Always `WebhookVerificationError`. */
  override readonly name = "WebhookVerificationError";
  /** Why the request was refused. Stable, unlike the message. */
  readonly reason: VerificationFailure;

  constructor(reason: VerificationFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
