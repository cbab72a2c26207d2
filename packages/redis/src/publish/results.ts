import type { PublishResult } from "@busbar/core/provider";
import type { PublishAnswer } from "../scripts/publish-script.ts";
import type { PackedBatch } from "./packs.ts";
import type { Route } from "./routes.ts";

type Done = Extract<PublishAnswer, readonly ["done", ...unknown[]]>;

/** What became of each envelope of a batch. */
export function resultsOf(
  batch: Pick<PackedBatch, "routes" | "targets" | "packs" | "deduplicated">,
  [, orphaned, duplicatePacks, duplicateLanes]: Done,
): readonly PublishResult[] {
  const { routes, targets, packs, deduplicated } = batch;
  const orphans = new Set(orphaned.map((position) => targets[position - 1]));
  const accepted = new Map<Route, PublishResult>();
  const results = routes.map((route) => {
    let result = accepted.get(route);
    if (!result) {
      const reached = route.targets.filter(({ spec }) => !orphans.has(spec)).length;
      result = { status: "accepted", subscriptions: reached };
      accepted.set(route, result);
    }
    return result;
  });

  const dropped = new Map<number, number>();
  const drop = (index: number | undefined): void => {
    if (index !== undefined) dropped.set(index, (dropped.get(index) ?? 0) + 1);
  };
  for (const position of duplicatePacks) {
    const pack = packs[position - 1];
    if (pack) drop(deduplicated.packs.get(pack));
  }
  for (const position of duplicateLanes) drop(deduplicated.lanes.get(position));
  for (const [index, count] of dropped) {
    const result = results[index];
    if (result?.status !== "accepted") continue;
    const left = result.subscriptions - count;
    results[index] =
      left > 0
        ? { status: "accepted", subscriptions: left }
        : { status: "duplicate", subscriptions: count };
  }
  return results;
}
