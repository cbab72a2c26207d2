import type { Issue } from "@busbar/core";
import type { Secret } from "../contract/subscription.ts";
import { invalidRequest } from "../errors.ts";

const DAY_MS = 86_400_000;
const DEFAULT_GRACE_MS: number = DAY_MS;
const MAX_GRACE_MS: number = 7 * DAY_MS;
const MAX_SECRETS = 10;

/** When a secret takes the place of another. */
export interface RotationOptions {
  /** The present time, by the clock of the store. */
  readonly now: Date;
  /**
   * Milliseconds for which deliveries are signed with the previous secrets as well: 0 to 7 days. 0 ends them at once,
   * which is right when one has leaked.
   *
   * @default 86_400_000, a day
   */
  readonly graceMs?: number | undefined;
}

/** The secrets that deliveries are signed with at a time, in their order: newest first. */
export function activeSecrets(secrets: readonly Secret[], now: Date): readonly Secret[] {
  return secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
}

/**
 * Puts a new secret before those that a subscription has. Previous secrets expire after `graceMs`, or when they would
 * have expired anyway if that is sooner. Expired secrets are left out.
 *
 * @returns The secrets to store, newest first: at most 10.
 * @throws BusbarError `BUSBAR_INVALID_REQUEST` when `graceMs` is out of range, when the secret is in use already, or
 * when 10 secrets are.
 */
export function rotateSecrets(
  secrets: readonly Secret[],
  next: Secret,
  { now, graceMs = DEFAULT_GRACE_MS }: RotationOptions,
): readonly Secret[] {
  const issues: Issue[] = [];
  if (!Number.isSafeInteger(graceMs) || graceMs < 0 || graceMs > MAX_GRACE_MS) {
    const reason = `must be a whole number of milliseconds from 0 to ${MAX_GRACE_MS} (7 days)`;
    issues.push({ path: "graceMs", reason });
  }
  const active = activeSecrets(secrets, now);
  if (active.some(({ value }) => value === next.value)) {
    issues.push({
      path: "secret",
      reason: "must be a new one: deliveries are signed with it already",
    });
  }
  const end = new Date(now.getTime() + graceMs);
  const previous = graceMs === 0 ? [] : active.map((secret) => expiringBy(secret, end));
  if (previous.length >= MAX_SECRETS) {
    const reason = `must be 0, as ${MAX_SECRETS} secrets are in use: that ends them all`;
    issues.push({ path: "graceMs", reason });
  }
  if (issues.length > 0) throw invalidRequest("webhooks.subscriptions.rotateSecret()", issues);
  return [next, ...previous];
}

function expiringBy(secret: Secret, end: Date): Secret {
  return secret.expiresAt !== null && secret.expiresAt < end
    ? secret
    : { ...secret, expiresAt: end };
}
