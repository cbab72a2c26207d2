import { InvalidArgumentError } from "commander";

/** Reads an option that is a whole number from 0. */
export function wholeNumber(given: string): number {
  const value = Number(given);
  if (Number.isSafeInteger(value) && value >= 0 && given.trim() !== "") return value;
  throw new InvalidArgumentError("It must be a whole number from 0.");
}

/** Reads an option that is a whole number from 1. */
export function positiveNumber(given: string): number {
  const value = wholeNumber(given);
  if (value > 0) return value;
  throw new InvalidArgumentError("It must be a whole number from 1.");
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Reads an option that is a time: ISO 8601, or a duration before now such as `15m`, `2h` or `7d`. */
export function pointInTime(given: string): Date {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(given) ?? [];
  if (count !== undefined && unit !== undefined) {
    return new Date(Date.now() - Number(count) * UNITS[unit]!);
  }
  const time = new Date(given);
  if (!Number.isNaN(time.getTime())) return time;
  throw new InvalidArgumentError(
    "Write a time such as 2026-12-01T08:00:00Z, or a duration: 15m, 2h, 7d.",
  );
}
