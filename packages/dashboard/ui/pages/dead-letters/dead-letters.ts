import type { DeadFilter } from "../../../src/contract/api.ts";
import type { Tone } from "../../components/badge.tsx";
import { href } from "../../router.ts";

/** The parts of a filter, as they are called in the query of the address. */
export const filterNames = [
  "subscriberId",
  "eventName",
  "reason",
  "error",
  "text",
  "diedAfter",
  "diedBefore",
] as const satisfies readonly (keyof DeadFilter)[];

const words: Readonly<Record<string, readonly [Tone, string]>> = {
  failed: ["bad", "Out of attempts"],
  permanent: ["bad", "Permanent error"],
  crashed: ["bad", "Crashed its process"],
  invalid: ["warn", "Invalid data"],
  retired: ["plain", "Subscription retired"],
  drained: ["plain", "Subscription drained"],
  corrupt: ["warn", "Unreadable"],
};

/** The reasons for which a delivery may be dead. */
export const reasons: readonly string[] = Object.keys(words);

/** Returns the tone and the words for a reason. */
export function reasonWords(reason: string): readonly [Tone, string] {
  return words[reason] ?? ["plain", reason];
}

/** Returns the address of a dead letter's page. */
export function letterAddress(subscriberId: string, id: string): string {
  return href(`/dead-letters/${encodeURIComponent(subscriberId)}/${encodeURIComponent(id)}`);
}

/** Returns the path of a dead letter in the interface of the dashboard. */
export function letterPath(subscriberId: string, id: string): string {
  return `api/dead/${encodeURIComponent(subscriberId)}/${encodeURIComponent(id)}`;
}

/** Returns the filter that the query of an address has. */
export function filterOf(query: URLSearchParams): DeadFilter {
  const given = filterNames.map((name) => [name, query.get(name) ?? ""] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ""));
}

/** Returns the parameters of a request for dead letters. */
export function parametersOf(filter: DeadFilter, cursor?: string): string {
  const parameters = new URLSearchParams(cursor === undefined ? {} : { cursor });
  for (const name of filterNames) if (filter[name]) parameters.set(name, filter[name]);
  return parameters.toString();
}

/** Whether a filter finds all dead letters there are, or all of a subscription: the server knows how many these are. */
export function isWithoutConditions(filter: DeadFilter): boolean {
  return filterNames.every((name) => name === "subscriberId" || !filter[name]);
}
