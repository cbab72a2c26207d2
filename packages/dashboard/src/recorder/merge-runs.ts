import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { RunsView } from "../contract/api.ts";
import { addPairs, createHistogram, type Histogram, quantile } from "./histogram.ts";
import { RECORDER } from "./recorder.ts";

/** What of an instance is read. */
export interface ReportingInstance {
  readonly plugins: Readonly<Record<string, JsonObject>>;
}

interface Sum {
  delivered: number;
  failed: number;
  dead: number;
  perSecond: { delivered: number; failed: number };
  readonly durations: Histogram;
}

/**
 * Adds up what instances report of the runs of each subscription. Other instances may be of another release: what
 * cannot be read counts as nothing.
 *
 * @param dashboard The name of the plugin of the dashboard, which records as well.
 */
export function mergeRuns(
  instances: readonly ReportingInstance[],
  dashboard: string,
): ReadonlyMap<string, RunsView> {
  const sums = new Map<string, Sum>();
  for (const { plugins } of instances) {
    // A process that has both plugins has recorded each run twice.
    const report = plugins[dashboard] ?? plugins[RECORDER];
    const seconds = numberOf(report?.["windowMs"]) / 1_000;
    for (const runs of listOf(report?.["runs"])) {
      const { subscriberId, delivered, failed, dead, recent } = objectOf(runs);
      if (typeof subscriberId !== "string") continue;
      const sum = sums.get(subscriberId) ?? emptySum();
      sums.set(subscriberId, sum);
      const { delivered: lately, failed: failedLately, durations } = objectOf(recent);
      sum.delivered += numberOf(delivered);
      sum.failed += numberOf(failed);
      sum.dead += numberOf(dead);
      if (seconds > 0) {
        sum.perSecond.delivered += numberOf(lately) / seconds;
        sum.perSecond.failed += numberOf(failedLately) / seconds;
      }
      addPairs(sum.durations, listOf(durations));
    }
  }
  return new Map(
    Array.from(sums, ([id, { durations, ...numbers }]) => [
      id,
      {
        ...numbers,
        p50Ms: quantile(durations, 0.5),
        p95Ms: quantile(durations, 0.95),
        p99Ms: quantile(durations, 0.99),
      },
    ]),
  );
}

function emptySum(): Sum {
  return {
    delivered: 0,
    failed: 0,
    dead: 0,
    perSecond: { delivered: 0, failed: 0 },
    durations: createHistogram(),
  };
}

function numberOf(value: JsonValue | undefined): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : {};
}
