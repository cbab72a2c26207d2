import { isDeepStrictEqual } from "node:util";

import type { SubscriberContext } from "../contract/subscriber.ts";
import { type Check, didYouMean, oneOf } from "../values/arguments.ts";
import { checkAttempts, checkBackoff } from "../values/policy-checks.ts";
import { textIssue } from "../values/text-issue.ts";
import { quoted } from "../errors/quoted.ts";

/** How a subscription is delivered to: a {@link SubscriberContext} without its id. */
export type SubscriptionPolicy = Omit<SubscriberContext, "subscriberId">;

const MAX_ID_LENGTH = 200;
const ANONYMOUS = "#anonymous";

const CHECKS: { readonly [Name in keyof SubscriptionPolicy]-?: Check } = {
  attempts: checkAttempts,
  backoff: checkBackoff,
  timeoutMs: (value) =>
    typeof value === "number" && value > 0 ? undefined : "must be a number of milliseconds above 0",
  concurrency: checkAttempts,
  ordering: oneOf("none", "key", "all"),
  onOrderedFailure: oneOf("park", "block"),
  aliases: (value) =>
    Array.isArray(value) && value.every((alias) => checkSubscriberId(alias) === undefined)
      ? undefined
      : "must be an array of subscriber ids",
};

/** The id that the anonymous subscribers of an event or pattern share. */
export function anonymousId(event: string): string {
  return event + ANONYMOUS;
}

/** Whether an id is one that {@link anonymousId} makes. */
export function isAnonymous(subscriptionId: string): boolean {
  return subscriptionId.endsWith(ANONYMOUS);
}

/** What is wrong with a subscriber's id, if anything. */
export function checkSubscriberId(id: unknown): string | undefined {
  const reason = textIssue(id, MAX_ID_LENGTH);
  if (typeof id !== "string" || reason !== undefined) return reason;
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(id)) return "must have printable characters only";
  if (isAnonymous(id))
    return `must not end with ${ANONYMOUS}, which is for subscribers without an id`;
  return undefined;
}

/**
 * Reads the policy out of a subscriber's context, leaving out what is undefined.
 *
 * @throws TypeError when a member is unknown or has a value that it cannot have.
 */
export function readPolicy(context: SubscriberContext, subscriptionId: string): SubscriptionPolicy {
  const policy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(context)) {
    if (name === "subscriberId" || value === undefined) continue;
    const check = Object.hasOwn(CHECKS, name)
      ? CHECKS[name as keyof SubscriptionPolicy]
      : undefined;
    const reason = check
      ? check(value)
      : `is not an option of a subscriber${didYouMean(name, Object.keys(CHECKS))}`;
    if (reason) throw new TypeError(`Subscriber ${quoted(subscriptionId)}: ${name} ${reason}`);
    // The caller may go on to use the object for something else.
    policy[name] = structuredClone(value);
  }
  return policy;
}

/**
 * Checks that a further `subscribe` call under one id says the same of delivery, or nothing.
 *
 * @throws TypeError when the two differ.
 */
export function assertSamePolicy(
  known: SubscriptionPolicy,
  added: SubscriptionPolicy,
  subscriptionId: string,
): void {
  if (Object.keys(added).length === 0) return;
  for (const name of Object.keys(CHECKS) as (keyof SubscriptionPolicy)[]) {
    if (!isDeepStrictEqual(known[name], added[name])) {
      throw new TypeError(
        `Subscriber ${quoted(subscriptionId)} has two policies: ${name} is ${show(known[name])} and ${show(added[name])}; give them once, or alike`,
      );
    }
  }
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "not given";
}
