import type { EmitOptions } from "../contract/event.ts";
import type { Issue } from "../contract/issue.ts";
import {
  checkBoolean,
  checkMilliseconds,
  type Checks,
  checkTexts,
  nearestName,
  type OptionIssue,
  optionIssues,
  textIssue,
} from "../values/arguments.ts";
import { checkAttempts, checkBackoff } from "../deliver/policy.ts";

/** The least urgent priority: BullMQ's limit, and ours everywhere so that providers agree. */
const MAX_PRIORITY = 2_097_151;

const MAX_KEY_LENGTH = 255;

const LEVELS = { high: 10, normal: 100, low: 1000 } as const;

const CHECKS: Checks<EmitOptions> = {
  attempts: checkAttempts,
  backoff: checkBackoff,
  delay: checkDelay,
  priority: checkPriority,
  internal: checkBoolean,
  orderingKey: checkKey,
  deduplicationId: checkKey,
  to: (value) =>
    Array.isArray(value) && value.length === 0
      ? "must name at least one subscription"
      : checkTexts(value),
  provider: (value) =>
    isObject(value) && Object.values(value).every(isObject)
      ? undefined
      : "must be an object of providers' own options, each an object under the provider's name",
};

/** Adds what is wrong with emit options to `issues`. */
export function checkEmitOptions(options: unknown, path: string, issues: Issue[]): void {
  for (const { path: within, reason } of emitOptionIssues(options)) {
    issues.push({ path: [...(path ? [path] : []), ...within].join("."), reason });
  }
}

/** What is wrong with emit options. */
export function emitOptionIssues(options: unknown): readonly OptionIssue[] {
  return options === undefined ? [] : optionIssues(options, CHECKS, explainUnknown);
}

/** A name that is like no other is most likely one of the provider's. */
function explainUnknown(name: string): string | undefined {
  return nearestName(name, Object.keys(CHECKS)) === undefined
    ? `is not an option; a provider's own options go under "provider"`
    : undefined;
}

/** Merges options, those of the first layer going before those of the next. */
export function mergeEmitOptions(
  first: EmitOptions | undefined,
  second: EmitOptions | undefined,
  last: EmitOptions | undefined,
): EmitOptions | undefined {
  if (first === undefined && second === undefined) return last;
  const merged: Record<string, unknown> = {};
  for (const layer of [last, second, first]) {
    if (layer === undefined) continue;
    for (const [name, value] of Object.entries(layer)) {
      if (value === undefined) continue;
      merged[name] = name === "provider" ? mergeOwnOptions(merged[name], value) : value;
    }
  }
  return merged;
}

/** Merges the options of each provider, name by name. */
function mergeOwnOptions(lower: unknown, higher: object): object {
  const merged: Record<string, unknown> = { ...(lower as object | undefined) };
  for (const [provider, options] of Object.entries(higher)) {
    merged[provider] = { ...(merged[provider] as object | undefined), ...options };
  }
  return merged;
}

/** The number behind a priority; undefined for normal. */
export function priorityNumber(options: EmitOptions): number | undefined {
  const priority = options.priority ?? (options.internal ? "low" : undefined);
  const number = typeof priority === "string" ? LEVELS[priority] : priority;
  return number === LEVELS.normal ? undefined : number;
}

function checkDelay(value: unknown): string | undefined {
  if (!(value instanceof Date)) {
    const reason = checkMilliseconds(value);
    return reason && `${reason}, or a Date`;
  }
  return Number.isNaN(value.getTime()) ? "must be a valid Date" : undefined;
}

function checkPriority(value: unknown): string | undefined {
  const valid =
    typeof value === "string"
      ? Object.hasOwn(LEVELS, value)
      : Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MAX_PRIORITY;
  return valid
    ? undefined
    : `must be "high", "normal", "low" or a whole number from 1 to ${MAX_PRIORITY}`;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkKey(value: unknown): string | undefined {
  return textIssue(value, MAX_KEY_LENGTH);
}
