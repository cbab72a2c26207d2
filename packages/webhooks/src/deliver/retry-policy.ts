import { grownDelay } from "@busbar/core/provider";
import type { NotifierResult } from "../contract/notifier.ts";
import type { RetryPolicy } from "../contract/retry-policy.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The delays of Standard Webhooks. */
const STANDARD: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
/** The delays of Mage-OS. */
const MAGEOS: readonly number[] = [1, 2, 3, 4, 5].map((n) => Math.min(60, n ** 2) * SECOND);
/** The longest delay of policies that grow, by default. */
const LONGEST = HOUR;
const DEFAULT_JITTER = 0.2;
/** The shortest delay after an attempt that has found the destination overloaded. */
const OVERLOADED = MINUTE;

/** An attempt that failed, and what came before it. Times are milliseconds since the epoch, by the clock of the store. */
export interface FailedAttempt {
  /** Retries that were made before: of the present chain, which a replay begins anew. */
  readonly retriesMade: number;
  /** When the chain began. */
  readonly since: number;
  /** When the attempt ended. */
  readonly now: number;
  /** How the attempt ended. */
  readonly result: Pick<NotifierResult, "retryable" | "retryAfterMs" | "status" | "errorClass">;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/**
 * Returns in how many milliseconds a failed delivery is attempted again, or undefined if it is not.
 *
 * The delay is that of the policy, with jitter. It is longer if the destination asks for that with `Retry-After`, up to
 * `retryAfterMaxMs`, and at least 60 s after a time-out or an answer such as 429.
 */
export function nextAttempt(
  policy: RetryPolicy,
  { retriesMade, since, now, result, random }: FailedAttempt,
): number | undefined {
  if (!result.retryable) return undefined;
  const planned = plannedDelay(policy, retriesMade);
  if (planned === undefined) return undefined;
  const delay = Math.max(
    withJitter(planned, policy.jitter ?? (policy.type === "mageos" ? 0 : DEFAULT_JITTER), random()),
    retryAfter(policy, result) ?? 0,
    isOverloaded(result) ? OVERLOADED : 0,
  );
  const isTooOld = policy.maxAgeMs !== undefined && now + delay - since > policy.maxAgeMs;
  return isTooOld ? undefined : delay;
}

/** Returns for how many milliseconds a destination asks not to be disturbed, as far as the policy lets it ask. */
export function retryAfter(
  { retryAfterMaxMs = DAY }: Pick<RetryPolicy, "retryAfterMaxMs">,
  { retryAfterMs }: Pick<NotifierResult, "retryAfterMs">,
): number | undefined {
  // A notifier may have computed it from the nonsense that a destination has answered.
  if (retryAfterMs === undefined || !(retryAfterMs > 0)) return undefined;
  return Math.ceil(Math.min(retryAfterMs, retryAfterMaxMs));
}

interface PlannedDelay {
  readonly ms: number;
  /** What jitter does not exceed. */
  readonly longest: number;
}

function plannedDelay(policy: RetryPolicy, retriesMade: number): PlannedDelay | undefined {
  switch (policy.type) {
    case "standard":
      return listed(STANDARD, retriesMade);
    case "mageos":
      return listed(MAGEOS, retriesMade);
    case "schedule":
      return listed(policy.delaysMs, retriesMade);
    case "exponential": {
      if (retriesMade >= policy.retries) return undefined;
      const { initialMs, factor = 2, maxMs: longest = LONGEST } = policy;
      return { ms: grownDelay(initialMs, factor, retriesMade, longest), longest };
    }
    case "linear": {
      if (retriesMade >= policy.retries) return undefined;
      const { stepMs, maxMs: longest = LONGEST } = policy;
      return { ms: Math.min(stepMs * (retriesMade + 1), longest), longest };
    }
    case "none":
      return undefined;
  }
}

function listed(delays: readonly number[], index: number): PlannedDelay | undefined {
  const ms = delays[index];
  return ms === undefined ? undefined : { ms, longest: Number.POSITIVE_INFINITY };
}

/** Makes a delay shorter or longer. What would exceed the longest delay is taken off instead, so that no two meet there. */
function withJitter({ ms, longest }: PlannedDelay, jitter: number, random: number): number {
  const jittered = ms * (1 + jitter * (2 * random - 1));
  return Math.round(jittered > longest ? 2 * longest - jittered : jittered);
}

function isOverloaded({ status, errorClass }: FailedAttempt["result"]): boolean {
  if (status === 429) return true;
  switch (errorClass) {
    case "http_429":
    case "throttled":
    case "timeout":
    case "connect_timeout":
      return true;
    default:
      return false;
  }
}
