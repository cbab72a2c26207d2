/** The longest unit first, in milliseconds. */
const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** Returns a duration as people say it: `3 min`, `2 d`. */
function duration(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, each]) => milliseconds >= each) ?? ["ms", 1];
  return `${Math.floor(Math.max(0, milliseconds) / size)} ${unit}`;
}

/** Returns how long ago a time is, by the clock of this machine: `3 min ago`. */
export function age(time: Date | undefined): string | undefined {
  return time && `${duration(Date.now() - time.getTime())} ago`;
}
