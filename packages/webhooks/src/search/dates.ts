/** The time that a text names: a day for `2024-01-01`, a month for `2024-01`. Milliseconds since the epoch. */
export interface DateSpan {
  readonly from: number;
  /** Where the next one begins. */
  readonly to: number;
}

const DATE =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?$/i;

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/**
 * Reads a year, a month, a day, or a day with a time, in UTC unless it names another zone:
 * `2024-01-01T10:00:00.000Z`, `2024-01-01 10:00:00`.
 *
 * @param atLeast What it has to name at least.
 */
export function dateSpan(text: string, atLeast: "year" | "day" = "year"): DateSpan | undefined {
  const match = DATE.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  if (atLeast === "day" && day === undefined) return undefined;
  const parts = [year, month ?? "01", day ?? "01", hour ?? "00", minute ?? "00", second ?? "00"];
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts.map(Number);
  const date = new Date(0);
  date.setUTCFullYear(y, mo - 1, d);
  const isReal = date.getUTCMonth() === mo - 1 && date.getUTCDate() === d;
  if (!isReal || h > 23 || mi > 59 || s > 59) return undefined;
  const ms = fraction === undefined ? 0 : Number(fraction.padEnd(3, "0").slice(0, 3));
  const offset = offsetMs(zone);
  if (offset === undefined) return undefined;
  const from = date.getTime() + h * HOUR_MS + mi * MINUTE_MS + s * SECOND_MS + ms - offset;
  if (month === undefined) return { from, to: new Date(0).setUTCFullYear(y + 1, 0, 1) };
  if (day === undefined) return { from, to: new Date(0).setUTCFullYear(y, mo, 1) };
  if (hour === undefined) return { from, to: from + DAY_MS };
  if (second === undefined) return { from, to: from + MINUTE_MS };
  return { from, to: from + (fraction === undefined ? SECOND_MS : 1) };
}

function offsetMs(zone: string | undefined): number | undefined {
  if (zone === undefined || zone.toUpperCase() === "Z") return 0;
  const digits = zone.replace(":", "");
  const [hours, minutes] = [Number(digits.slice(1, 3)), Number(digits.slice(3, 5) || "0")];
  if (hours > 23 || minutes > 59) return undefined;
  return (digits.startsWith("-") ? -1 : 1) * (hours * HOUR_MS + minutes * MINUTE_MS);
}
