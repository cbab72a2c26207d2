const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const small = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const exact = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
] as const;

/** Returns a count in full, such as `12,345`. */
export function formatCount(count: number): string {
  return whole.format(count);
}

/** Returns a count in at most five characters, such as `12.3K`. */
export function formatShort(count: number): string {
  return count < 10_000 ? whole.format(count) : short.format(count);
}

/** Returns a rate with up to three digits, such as `0.25`. What is less than a hundredth, but not zero, is `<0.01`. */
export function formatRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 0.01) return "<0.01";
  if (perSecond < 1) return small.format(perSecond);
  return perSecond >= 1000 ? short.format(perSecond) : fine.format(perSecond);
}

/** Returns a duration in milliseconds with the unit that suits it, such as `4.2 ms` or `1 min 5 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${fine.format(ms)} ms`;
  if (ms < 60_000) return `${fine.format(ms / 1000)} s`;
  const parts = [
    [Math.floor(ms / 86_400_000), "d"],
    [Math.floor(ms / 3_600_000) % 24, "h"],
    [Math.floor(ms / 60_000) % 60, "min"],
    [Math.floor(ms / 1000) % 60, "s"],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** Returns how long ago, or in how long, a time is: `3 min. ago`. Both are milliseconds since the epoch. */
export function formatAgo(at: number, now: number): string {
  const distance = at - now;
  for (const [unit, ms] of units) {
    if (Math.abs(distance) >= ms) return relative.format(Math.trunc(distance / ms), unit);
  }
  return "now";
}

/** Returns a time with date and time zone. */
export function formatExact(at: number): string {
  return exact.format(at);
}

/** Returns a time as the clocks of a time zone show it. Undefined if the browser does not know the time zone. */
export function formatInZone(at: number, timeZone: string): string | undefined {
  try {
    const format = new Intl.DateTimeFormat("en", {
      dateStyle: "medium",
      timeStyle: "short",
      hourCycle: "h23",
      timeZone,
    });
    return `${format.format(at)} ${timeZone}`;
  } catch {
    // Time zones are added over the years, and a browser may be older than the server.
    return undefined;
  }
}

/** Returns the time of day, such as `14:03:59`. */
export function formatClock(at: number): string {
  return clock.format(at);
}

/** Returns a count with its noun, such as `1 event` or `2 events`. */
export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
