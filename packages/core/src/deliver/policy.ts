import { isDeepStrictEqual } from "node:util";

import type { EnvelopePolicy } from "../contract/provider.ts";
import type { SubscriberContext, SubscriptionDefaults } from "../contract/subscriber.ts";
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

const POLICY_NAMES = Object.keys(CHECKS);

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
  const { subscriberId: _, ...policy } = context;
  return readMembers(policy, CHECKS, (name, reason) => {
    const hint = reason ?? `is not an option of a subscriber${didYouMean(name, POLICY_NAMES)}`;
    return `Subscriber ${quoted(subscriptionId)}: ${name} ${hint}`;
  });
}

/**
 * Reads the defaults of subscriptions, leaving out what is undefined.
 *
 * @param where What they are called where they stand, for messages.
 * @throws TypeError when a member is unknown or has a value that it cannot have.
 */
export function readSubscriptionDefaults(
  defaults: SubscriptionDefaults | undefined,
  where: string,
): SubscriptionDefaults {
  if (defaults === undefined) return {};
  if (typeof defaults !== "object" || defaults === null || Array.isArray(defaults)) {
    throw new TypeError(`${where} must be an object`);
  }
  const { aliases: _, ...checks } = CHECKS;
  return readMembers(defaults, checks, (name, reason) => {
    const hint = reason ?? `is not a default${didYouMean(name, Object.keys(checks))}`;
    return `${where}.${name} ${hint}`;
  });
}

function readMembers(
  given: object,
  checks: Readonly<Record<string, Check>>,
  problem: (name: string, reason: string | undefined) => string,
): SubscriptionPolicy {
  const policy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    const reason = check?.(value);
    if (!check || reason) throw new TypeError(problem(name, reason));
    // The caller may go on to use the object for something else.
    policy[name] = structuredClone(value);
  }
  return policy;
}

/** What holds for a delivery: of the subscriber, the emitter, the defaults of either, in this order. */
export function effective<Name extends "attempts" | "backoff">(
  name: Name,
  { policy, defaults }: { policy: SubscriptionPolicy; defaults: SubscriptionDefaults },
  emitted: EnvelopePolicy | undefined,
): SubscriptionPolicy[Name] {
  const own = policy[name];
  if (own !== undefined) return own;
  const isDefault = emitted?.byDefault?.includes(name) ?? false;
  return isDefault ? (defaults[name] ?? emitted?.[name]) : (emitted?.[name] ?? defaults[name]);
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
  for (const name of POLICY_NAMES as (keyof SubscriptionPolicy)[]) {
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
