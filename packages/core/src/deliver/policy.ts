import type { EnvelopePolicy } from "../contract/provider.ts";
import type {
  BatchOptions,
  RateLimit,
  SubscriberContext,
  SubscriptionDefaults,
} from "../contract/subscriber.ts";
import {
  assertOptions,
  checkMilliseconds,
  checkPositive,
  type Checks,
  didYouMean,
  oneOf,
  type OptionCheck,
  type OptionIssue,
  optionIssues,
  optionsWithin,
  textIssue,
} from "../values/arguments.ts";
import { quoted } from "../errors/quoted.ts";
import type { Backoff, BackoffOptions } from "../contract/event.ts";

/** The context of a subscriber of one event or of a batch. */
export type AnySubscriberContext = SubscriberContext<BatchOptions | undefined>;

/** How a subscription is delivered to: a {@link SubscriberContext} without its id. */
export type SubscriptionPolicy = Omit<AnySubscriberContext, "subscriberId">;

const MAX_ID_LENGTH = 200;
const ANONYMOUS = "#anonymous";
const MAX_BATCH = 1_000;

const CHECKS: Checks<SubscriptionPolicy> = {
  attempts: checkAttempts,
  backoff: checkBackoff,
  timeoutMs: (value) =>
    typeof value === "number" && value > 0 ? undefined : "must be a number of milliseconds above 0",
  concurrency: checkAttempts,
  ordering: oneOf("none", "key", "all"),
  onOrderedFailure: oneOf("park", "block"),
  rate: required<RateLimit>({ max: checkAttempts, perMs: checkPositive }, ["max", "perMs"]),
  batch: required<BatchOptions>({ maxEvents: checkBatchSize, maxWaitMs: checkMilliseconds }, [
    "maxEvents",
  ]),
  aliases: (value) =>
    Array.isArray(value) && value.every((alias) => checkSubscriberId(alias) === undefined)
      ? undefined
      : "must be an array of subscriber ids",
};

const POLICY_NAMES = Object.keys(CHECKS);

const { aliases: _aliases, batch: _batch, ...DEFAULTS } = CHECKS;

/** Checks the defaults of subscriptions. */
export const checkSubscriptionDefaults: OptionCheck = optionsWithin<SubscriptionDefaults>(DEFAULTS);

const CONTEXT: Checks<AnySubscriberContext> = { subscriberId: checkSubscriberId, ...CHECKS };

/** What is wrong with the context of a subscriber. */
export function subscriberContextIssues(context: unknown): readonly OptionIssue[] {
  return optionIssues(context, CONTEXT);
}

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
export function readPolicy(
  context: AnySubscriberContext,
  subscriptionId: string,
): SubscriptionPolicy {
  const { subscriberId: _id, ...policy } = context;
  assertOptions(() => `Subscriber ${quoted(subscriptionId)}`, context, CONTEXT);
  return readMembers(policy);
}

/** Reads the defaults of subscriptions, which were checked, leaving out what is undefined. */
export function readSubscriptionDefaults(
  defaults: SubscriptionDefaults | undefined,
): SubscriptionDefaults {
  return readMembers(defaults ?? {});
}

function readMembers(given: object): SubscriptionPolicy {
  const members = Object.entries(given).filter(([, value]) => value !== undefined);
  // The caller may go on to use the object for something else.
  return structuredClone(Object.fromEntries(members));
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
  // Without a policy, the handler would not know that it gets several events.
  if (Object.keys(added).length === 0 && known.batch === undefined) return;
  for (const name of POLICY_NAMES as (keyof SubscriptionPolicy)[]) {
    if (!isSame(known[name], added[name])) {
      throw new TypeError(
        `Subscriber ${quoted(subscriptionId)} has two policies: ${name} is ${show(known[name])} and ${show(added[name])}; give them once, or alike`,
      );
    }
  }
}

/** Whether two values of a policy say the same: they are plain data. */
function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return Object.is(one, other);
  }
  const [members, others] = [Object.entries(one), new Map(Object.entries(other))];
  return (
    members.length === others.size &&
    members.every(([name, value]) => others.has(name) && isSame(value, others.get(name)))
  );
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "not given";
}

/** Checks an option that has options of its own, some of which are needed. */
function required<Options extends object>(
  its: Checks<Options>,
  names: readonly (keyof Options & string)[],
): OptionCheck {
  const check = optionsWithin(its);
  return (value) => {
    const issues = check(value);
    if (issues === undefined || issues.length > 0) return issues;
    const missing = names.find((name) => (value as Partial<Options>)[name] === undefined);
    return missing === undefined ? undefined : [{ path: [missing], reason: "is missing" }];
  };
}

function checkBatchSize(value: unknown): string | undefined {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_BATCH
    ? undefined
    : `must be a whole number from 1 to ${MAX_BATCH}`;
}

export function checkAttempts(value: unknown): string | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 1
    ? undefined
    : "must be a whole number from 1";
}

export function checkBackoff(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return checkMilliseconds(value);
  const { type, delay, jitter, maxDelay, ...others } = value as Partial<BackoffOptions>;
  if (type !== "fixed" && type !== "exponential") return `needs a type: "fixed" or "exponential"`;
  const wrong = checkMilliseconds(delay);
  if (wrong) return `needs a delay, which ${wrong}`;
  if (jitter !== undefined && !(typeof jitter === "number" && jitter >= 0 && jitter <= 1)) {
    return "has a jitter that must be a number from 0 to 1";
  }
  if (maxDelay !== undefined && checkMilliseconds(maxDelay)) {
    return "has a maxDelay that must be a number of milliseconds from 0";
  }
  const unknown = Object.keys(others)[0];
  return unknown === undefined
    ? undefined
    : `has no member ${quoted(unknown)}${didYouMean(unknown, ["type", "delay", "jitter", "maxDelay"])}`;
}

const MAX_GROWTHS = 1000;

/**
 * Returns a delay that has grown `growths` times by `factor`, `longest` at most.
 *
 * @param first Milliseconds before it grows.
 * @param longest Milliseconds, at most `Number.MAX_SAFE_INTEGER`.
 */
export function grownDelay(
  first: number,
  factor: number,
  growths: number,
  longest: number,
): number {
  // Zero times infinity is not a number.
  if (first === 0) return 0;
  return Math.min(first * factor ** Math.min(growths, MAX_GROWTHS), longest);
}

/**
 * Milliseconds to wait after a failed attempt.
 *
 * Exponential backoff doubles with every attempt, `delay * 2 ** (attempt - 1)`, up to `maxDelay`;
 * jitter then takes a random share off.
 *
 * @param attempt The attempt that failed, from 1.
 * @param random A number from 0 to below 1.
 */
export function backoffDelay(
  backoff: Backoff | undefined,
  attempt: number,
  random: () => number,
): number {
  if (backoff === undefined) return 0;
  if (typeof backoff === "number") return backoff;
  const { type, delay, jitter = 0, maxDelay = Number.MAX_SAFE_INTEGER } = backoff;
  const capped = grownDelay(delay, 2, type === "fixed" ? 0 : attempt - 1, maxDelay);
  return Math.round(capped * (1 - jitter * random()));
}
