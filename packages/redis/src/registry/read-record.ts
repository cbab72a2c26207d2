import { createRouter } from "@busbar/core/provider";
import { objectIn } from "../corrupt.ts";
import type { SubscriptionRecord } from "./registry.ts";

/** A record of the list of subscriptions. Undefined if the text is none any more. */
export function readRecord(subscriptionId: string, text: string): SubscriptionRecord | undefined {
  const record = objectIn(text) as Partial<SubscriptionRecord> | undefined;
  const isOurs =
    record?.subscriptionId === subscriptionId &&
    isTexts(record.events) &&
    areWellFormed(record.events) &&
    isTexts(record.aliases) &&
    isTexts(record.queues) &&
    typeof record.ordering === "string" &&
    typeof record.onOrderedFailure === "string" &&
    typeof record.scope === "string";
  return isOurs ? (record as SubscriptionRecord) : undefined;
}

function areWellFormed(events: readonly string[]): boolean {
  if (!events.some((event) => event.includes("*"))) return true;
  try {
    createRouter().add("", events);
    return true;
  } catch {
    return false;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((it) => typeof it === "string");
}
