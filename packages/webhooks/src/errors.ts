import { BusbarError, type BusbarErrorDetails, type Issue } from "@busbar/core";
import { listed, quoted } from "@busbar/core/provider";

/**
 * The error of a call whose argument is malformed.
 *
 * @param call The call, as the message names it: `webhooks.subscriptions.create()`.
 * @param issues Everything that is wrong. No reason quotes a value that may be secret.
 */
export function invalidRequest(
  call: string,
  issues: readonly Issue[],
): BusbarError<"BUSBAR_INVALID_REQUEST"> {
  const reasons = issues.map(({ path, reason }) => (path === "" ? reason : `${path} ${reason}`));
  return new BusbarError("BUSBAR_INVALID_REQUEST", `${call}: ${listed(reasons)}`, { issues });
}

/** What a part of webhooks may look for, and not find. */
export type WebhookKind = Exclude<
  BusbarErrorDetails["BUSBAR_NOT_FOUND"]["kind"],
  "subscription" | "dead letter"
>;

/** The error of a call for something that does not exist. */
export function notFound(kind: WebhookKind, id: string): BusbarError<"BUSBAR_NOT_FOUND"> {
  return new BusbarError("BUSBAR_NOT_FOUND", `There is no ${kind} ${quoted(id)}`, { kind, id });
}

/** The error of a change that is meant for another version than the present one. */
export function versionConflict(
  id: string,
  expected: number,
  actual: number,
): BusbarError<"BUSBAR_CONFLICT"> {
  return new BusbarError(
    "BUSBAR_CONFLICT",
    `Webhook subscription ${quoted(id)} has version ${actual}, not ${expected}`,
    { kind: "webhook subscription", id, expected, actual },
  );
}

/** The error of a change that the state of a delivery or an event does not allow. */
export function stateConflict(
  kind: "delivery" | "event",
  id: string,
  { state, reason }: { readonly state: string; readonly reason: string },
): BusbarError<"BUSBAR_CONFLICT"> {
  const name = kind === "delivery" ? "Delivery" : "Event";
  return new BusbarError("BUSBAR_CONFLICT", `${name} ${quoted(id)} ${reason}`, { kind, id, state });
}
