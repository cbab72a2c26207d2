import type { JsonValue } from "@busbar/core/provider";
import type { PolicyView } from "../../src/contract/api.ts";
import { formatDuration, plural } from "../format.ts";

/** Returns how deliveries run, in words: `3 attempts, 10 at a time, at most 30 s each`. */
export function policyWords(policy: PolicyView | null | undefined): string {
  if (policy === null || policy === undefined) return "–";
  const { attempts, backoff, timeoutMs, concurrency, ordering, rate, batch } = policy;
  const words = [
    attempts === undefined ? undefined : plural(attempts, "attempt"),
    backoff === undefined ? undefined : `backoff ${backoffWords(backoff)}`,
    concurrency === undefined
      ? undefined
      : `${batch ? plural(concurrency, "batch", "batches") : concurrency} at a time`,
    batch === undefined ? undefined : batchWords(batch),
    rate === undefined
      ? undefined
      : `at most ${plural(rate.max, "run")} in ${formatDuration(rate.perMs)}`,
    timeoutMs === undefined ? undefined : `at most ${formatDuration(timeoutMs)} each`,
    ordering === undefined || ordering === "none" ? undefined : `order: ${ordering}`,
  ].filter((word) => word !== undefined);
  return words.length === 0 ? "–" : words.join(", ");
}

function batchWords({ maxEvents, maxWaitMs }: NonNullable<PolicyView["batch"]>): string {
  const size = `at most ${plural(maxEvents, "event")} in each`;
  return maxWaitMs === undefined
    ? size
    : `${size}, collected for at most ${formatDuration(maxWaitMs)}`;
}

function backoffWords(backoff: JsonValue): string {
  if (typeof backoff === "number") return formatDuration(backoff);
  if (typeof backoff !== "object" || backoff === null) return JSON.stringify(backoff);
  return Object.entries(backoff)
    .map(([key, value]) => {
      if (key === "type" && typeof value === "string") return value;
      const isTime = key.endsWith("Ms") && typeof value === "number";
      return isTime
        ? `${key.slice(0, -2)} ${formatDuration(value)}`
        : `${key} ${JSON.stringify(value)}`;
    })
    .join(", ");
}
