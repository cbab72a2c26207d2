import { type Envelope, type PublishResult, quoted } from "@busbar/core/provider";
import { presentId } from "../registry/declarations.ts";
import type { RegistrySnapshot } from "../registry/registry.ts";

/** Refuses a batch with an event that a named subscription does not get. Undefined: there is none. */
export function refuseUnknown(
  { router, records }: RegistrySnapshot,
  batch: readonly Envelope[],
): PublishResult | undefined {
  for (const { name, to } of batch) {
    if (to === undefined) continue;
    const wanting = router.match(name);
    const id = to.find((it) => !wanting.includes(presentId(records, it)));
    if (id === undefined) continue;
    const record = records.get(presentId(records, id));
    const isKnown = record !== undefined && !record.retired;
    return unknown(id, isKnown ? `it does not subscribe to ${quoted(name)}` : "nobody knows it");
  }
  return undefined;
}

/** Refuses a batch with an event to a named subscription that is orphaned: Redis knows which. */
export function refuseOrphaned(
  { records }: RegistrySnapshot,
  batch: readonly Envelope[],
  orphan: string,
): PublishResult {
  const named = batch.flatMap(({ to = [] }) => to);
  const id = named.find((it) => presentId(records, it) === orphan) ?? orphan;
  return unknown(id, "no process declares it any more");
}

function unknown(subscriptionId: string, reason: string): PublishResult {
  return { status: "rejected", code: "unknown-subscription", reason, subscriptionId };
}
