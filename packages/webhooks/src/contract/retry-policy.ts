/** What every retry policy may say. */
export interface RetryLimits {
  /** Milliseconds after the delivery was made from which it is not attempted again. No limit by default. */
  readonly maxAgeMs?: number | undefined;
  /**
   * Milliseconds that a `Retry-After` may ask for at most.
   *
   * @default 86_400_000, a day
   */
  readonly retryAfterMaxMs?: number | undefined;
  /**
   * The share by which a delay is made shorter or longer at random, from 0 to 1.
   *
   * @default 0.2; 0 for `mageos`
   */
  readonly jitter?: number | undefined;
}

/**
 * When failed deliveries are attempted again.
 *
 * - `standard`: the schedule of Standard Webhooks: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
 * - `mageos`: `min(60, n²)` seconds, five times.
 * - `exponential`: `initialMs` × `factor` (2 by default) to the power of retries made, `maxMs` (1 h) at most.
 * - `linear`: `stepMs` × retries, `maxMs` (1 h) at most.
 * - `schedule`: one delay in milliseconds for each retry.
 * - `none`: never.
 */
export type RetryPolicy = RetryLimits &
  (
    | { readonly type: "standard" }
    | { readonly type: "mageos" }
    | {
        readonly type: "exponential";
        readonly retries: number;
        readonly initialMs: number;
        readonly factor?: number | undefined;
        readonly maxMs?: number | undefined;
      }
    | {
        readonly type: "linear";
        readonly retries: number;
        readonly stepMs: number;
        readonly maxMs?: number | undefined;
      }
    | { readonly type: "schedule"; readonly delaysMs: readonly number[] }
    | { readonly type: "none" }
  );
