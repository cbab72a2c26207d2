import { matchesPattern } from "@busbar/core/provider";
import type { CatalogueEntry } from "../contract/async-event.ts";
import { type Caller, isAllowed } from "./permissions.ts";
import { Problem } from "./problem.ts";

/**
 * Checks that a caller may subscribe to events: it needs the permissions of each event that the names and patterns
 * match now.
 *
 * @throws Problem that names the first permission that the caller lacks.
 */
export function assertMaySubscribe(
  caller: Caller,
  events: readonly string[],
  catalogue: readonly CatalogueEntry[],
): void {
  for (const entry of catalogue) {
    const missing = entry.permissions.find((permission) => !isAllowed(caller, permission));
    if (missing === undefined) continue;
    const index = events.findIndex((pattern) => matchesPattern(pattern, entry.name));
    if (index === -1) continue;
    const detail = `subscribing to ${entry.name} needs the permission ${missing}`;
    throw new Problem("forbidden", `${events[index]}: ${detail}`, {
      errors: [{ pointer: `#/events/${index}`, detail }],
    });
  }
}

/** Whether a caller may subscribe to every event there is. */
export function maySubscribeToAll(caller: Caller, catalogue: readonly CatalogueEntry[]): boolean {
  return catalogue.every(({ permissions }) => permissions.every((it) => isAllowed(caller, it)));
}
