import type { DeadDelivery } from "../contract/provider.ts";
import type { DeadReason } from "../contract/notices.ts";
import { stateOf } from "../deliver/failures.ts";
import { assertPattern, matchesPattern } from "../provider/router.ts";
import { type Checks, checkText } from "../values/arguments.ts";

/**
 * Selects dead letters. A letter has to match every condition that is given; without a condition every letter
 * matches. Case does not matter in `error` and `text`.
 *
 * @example
 * ```ts
 * const where: DeadLetterFilter = { eventName: "order.*", error: "ECONNREFUSED" };
 * ```
 */
export interface DeadLetterFilter {
  /** The subscription that the dead letters belong to. */
  readonly subscriberId?: string | undefined;
  /** The name of the event, or a pattern such as `order.*`. */
  readonly eventName?: string | undefined;
  /** Why the deliveries are dead. */
  readonly reason?: DeadReason | undefined;
  /** Text within `<name>: <message>` of at least one of the errors, such as `TypeError` or `ECONNREFUSED`. */
  readonly error?: string | undefined;
  /**
   * Text within the id of the dead letter, the id of the event, or the JSON of the event's data or metadata. JSON has
   * no spaces here: `"orderId":42`.
   */
  readonly text?: string | undefined;
  /** The earliest time of death. */
  readonly diedAfter?: Date | undefined;
  /** The time before which the deliveries died. */
  readonly diedBefore?: Date | undefined;
}

export const FILTER_CHECKS: Checks<DeadLetterFilter> = {
  subscriberId: checkText,
  eventName: checkPattern,
  reason: checkText,
  error: checkText,
  text: checkText,
  diedAfter: checkDate,
  diedBefore: checkDate,
};

/** Returns a function that says whether a dead letter of the filter's subscriptions matches the rest of the filter. */
export function createLetterMatcher(where: DeadLetterFilter): (letter: DeadDelivery) => boolean {
  const { eventName, reason } = where;
  const error = where.error?.toLowerCase();
  const text = where.text?.toLowerCase();
  const from = where.diedAfter?.getTime() ?? Number.NEGATIVE_INFINITY;
  const before = where.diedBefore?.getTime() ?? Number.POSITIVE_INFINITY;
  // The cheap conditions first: a search may look at a hundred thousand letters.
  return (letter) =>
    letter.diedAt >= from &&
    letter.diedAt < before &&
    (reason === undefined || letter.reason === reason) &&
    (eventName === undefined || matchesPattern(eventName, letter.envelope.name)) &&
    (error === undefined || hasError(letter, error)) &&
    (text === undefined || hasText(letter, text));
}

function hasError({ state }: DeadDelivery, wanted: string): boolean {
  return stateOf(state).errors.some(({ name, message }) =>
    `${name}: ${message}`.toLowerCase().includes(wanted),
  );
}

function hasText({ id, envelope }: DeadDelivery, wanted: string): boolean {
  return (
    id.toLowerCase().includes(wanted) ||
    envelope.id.toLowerCase().includes(wanted) ||
    JSON.stringify(envelope.data).toLowerCase().includes(wanted) ||
    JSON.stringify(envelope.metadata).toLowerCase().includes(wanted)
  );
}

function checkPattern(value: unknown): string | undefined {
  const reason = checkText(value);
  if (reason !== undefined) return reason;
  try {
    assertPattern(value as string);
    return undefined;
  } catch {
    return "must be the name of an event, or a pattern such as order.*";
  }
}

function checkDate(value: unknown): string | undefined {
  const isTime = value instanceof Date && !Number.isNaN(value.getTime());
  return isTime ? undefined : "must be a Date";
}
