import type { BackoffOptions } from "../contract/event.ts";
import { quoted } from "../errors/quoted.ts";

export function checkAttempts(value: unknown): string | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 1
    ? undefined
    : "must be a whole number from 1";
}

export function checkMilliseconds(value: unknown): string | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0
    ? undefined
    : "must be a number of milliseconds from 0";
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
  return unknown === undefined ? undefined : `has no member ${quoted(unknown)}`;
}
