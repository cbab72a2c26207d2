import type { ScheduleView } from "../../../src/contract/api.ts";
import { formatDuration } from "../../format.ts";

/** Returns when a schedule is due, such as `0 2 * * * in Europe/Berlin` or `every 5 min`. */
export function timesInWords(times: ScheduleView["times"]): string {
  return "cron" in times
    ? `${times.cron} in ${times.timeZone}`
    : `every ${formatDuration(times.everyMs)}`;
}
